"""How an execution ended: plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from stress.frame import Frame


class Ending(enum.Enum):
    """Why an execution ended. A task's exception does not end it: see `Outcome.failures`."""

    FINISHED = "finished"
    DEADLOCK = "deadlock"
    STEP_LIMIT = "step limit"


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that left a task."""

    task: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits at the end: for what, on which object, and who could end its wait.

    `owner` is the task that holds a lock or is joined; None where anybody could. `held` numbers
    the locks that the waiting task holds. `frames` come innermost first. The last three are only
    known of recorded executions.
    """

    task: int
    name: str
    kind: str
    subject: str
    owner: int | None
    held: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()


class Unclosed(NamedTuple):
    """What a task let go without closing it, in the words of the interpreter; the frames come
    innermost first."""

    task: int
    what: str
    frames: tuple[Frame, ...]


class Outcome(NamedTuple):
    """One execution.

    `chosen` holds the task that was taken at each real choice, one with two ready tasks. `tasks`
    counts tasks, `steps` scheduling points; `clock_s` is what the virtual clock moved.
    `uncontrolled` names calls whose effect the engine neither chose nor recorded, and `stuck` the
    tasks that could not be unwound. `release_points` says whether the release of a lock was a
    scheduling point, and `tried` whether somebody tried a lock without waiting: see `Execution`.
    `unclosed` is there where somebody listens for it: see `session`.
    """

    ending: Ending
    failures: tuple[Failure, ...]
    waiting: tuple[Waiting, ...]
    spinning: tuple[int, ...]
    chosen: tuple[int, ...]
    tasks: int
    steps: int
    context_switches: int
    preemptions: int
    clock_s: float
    uncontrolled: tuple[str, ...] = ()
    stuck: tuple[int, ...] = ()
    release_points: bool = True
    tried: bool = False
    unclosed: tuple[Unclosed, ...] = ()
