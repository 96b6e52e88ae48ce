"""What a run reports: verdicts, violations and findings. Plain data; imports nothing of ours."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
class Frame:
    """One frame of a stack."""

    file: str
    line: int
    function: str


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
