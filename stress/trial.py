"""A trial: one run of a program in a sandbox process, and what is left of it afterwards.

Plain data and the one protocol that a program sees of the sandbox. Imports only leaves.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from stress.finding import RecordedOperation, ThreadStack


class Condition(enum.StrEnum):
    """How a trial ended.

    FINISHED  the program returned its report
    RAISED    the program raised; `report` holds `error` and `traceback`
    EXITED    the process ended by itself without a report (`os._exit`, `sys.exit` in C)
    CRASHED   the process was ended by a signal that we did not send
    HUNG      the deadline passed; we took a dump of every thread and ended it
    """

    FINISHED = "finished"
    RAISED = "raised"
    EXITED = "exited"
    CRASHED = "crashed"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a sandbox is asked to run. `payload` is JSON and means something to the program only."""

    index: int
    seed: int
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """What is known of a trial when its process is gone. Every trial has exactly one record.

    `signal` is the number of the signal that ended it, `exit_code` its exit code; at most one of
    the two is set, and neither is where a host was lost with it. Durations are seconds.
    `artifacts` is the directory of the raw files (faulthandler.txt, recorder.bin, stdout.txt,
    stderr.txt); empty where none were kept.
    """

    trial: Trial
    condition: Condition
    duration_s: float
    report: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    signal: int | None = None
    threads: tuple[ThreadStack, ...] = ()
    operations: tuple[RecordedOperation, ...] = ()
    dump: str = ""
    stdout_tail: str = ""
    stderr_tail: str = ""
    note: str = ""
    artifacts: str = ""


class Recorder(Protocol):
    """What a program tells the sandbox while it runs; cheap enough to stay on (about 1 µs)."""

    def operation(self, step: int, name: str) -> AbstractContextManager[object]:
        """Record the begin and the end (or the error) of one operation of the plan."""

    def note(self, name: str) -> None:
        """Record that the calling thread was here."""


class NullRecorder:
    """Records nothing: for runs outside a sandbox."""

    def operation(self, step: int, name: str) -> AbstractContextManager[object]:
        """Do nothing around the operation."""
        return nullcontext()

    def note(self, name: str) -> None:
        """Do nothing."""
