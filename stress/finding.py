"""What a run reports: verdicts, violations and findings. Plain data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stress.events import Event
from stress.frame import Frame as Frame
from stress.schedule import Schedule


class Verdict(enum.Enum):
    """The three answers a run can give. UNKNOWN means that nothing, or too little, was explored."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


class FindingKind(enum.StrEnum):
    """The kinds of defect that are reported."""

    EXCEPTION = "exception"
    DEADLOCK = "deadlock"
    DATA_RACE = "data_race"
    ATOMICITY = "atomicity"
    LOCK_ORDER = "lock_order"
    NOT_LINEARIZABLE = "not_linearizable"
    INVARIANT = "invariant"
    LEAK = "leak"
    STARVATION = "starvation"
    CRASH = "crash"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """The stack of one thread, innermost frame first; `current` marks the one that failed."""

    thread: str
    frames: tuple[Frame, ...]
    current: bool = False


@dataclass(frozen=True, slots=True)
class RecordedOperation:
    """One flight-recorder entry. `phase` is begin, end, error or note; `step` is -1 outside a plan.

    `time_ns` is monotonic, in nanoseconds since the trial began.
    """

    time_ns: int
    thread: str
    step: int
    phase: str
    name: str


@dataclass(frozen=True, slots=True)
class Violation:
    """What one oracle has to say against one trial.

    `place` is the stable name of where it went wrong (a method, a table, an actor's role), free
    of ids, numbers and addresses: kind, oracle and place make the fingerprint.
    """

    kind: FindingKind
    oracle: str
    place: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One defect, with everything needed to understand it and to run it again.

    `fingerprint` (sha256, hexadecimal) is equal for two sightings of one defect; `count` says how
    many sightings there were, everything else is the evidence of the first. `plan`, `settings`,
    `python` and `details` are JSON mappings. `settings` holds `size`, `noise`,
    `trial_timeout_s` and `memory_limit_mib`. `condition` says how the trial ended; at most one
    of `signal` and `exit_code` is set. `directory` is empty until the finding is stored.
    `schedule` replays a finding of controlled execution, and `trace` is what happened in it step
    by step; in parallel execution they are None and empty.
    """

    kind: FindingKind
    message: str
    fingerprint: str
    oracle: str = ""
    place: str = ""
    workload: str = ""
    mutant: str | None = None
    target: str = ""
    seed: int = 0
    trial: int = 0
    plan: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    python: Mapping[str, Any] = field(default_factory=dict)
    tool_version: str = ""
    condition: str = ""
    signal: int | None = None
    exit_code: int | None = None
    threads: tuple[ThreadStack, ...] = ()
    operations: tuple[RecordedOperation, ...] = ()
    stdout_tail: str = ""
    stderr_tail: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    replay_command: str = ""
    directory: str = ""
    schedule: Schedule | None = None
    trace: tuple[Event, ...] = ()

    @property
    def id(self) -> str:
        """The short name people use: kind and the first 12 digits of the fingerprint."""
        return f"{self.kind.value}-{self.fingerprint[:12]}"

    @property
    def locations(self) -> tuple[Frame, ...]:
        """Frames of the threads that failed, innermost first; empty where no stack is known."""
        return tuple(frame for stack in self.threads if stack.current for frame in stack.frames)
