"""What a race of this corpus is, and what is free of any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from stress.finding import FindingKind


class Defect(StrEnum):
    """In which way a program is racy.

    LOST_UPDATE: what is written was made of a value that is no longer there. CHECK_THEN_ACT: what
    was found is no longer so when it is acted upon. TORN_UPDATE: fields or objects that belong
    together are written or read half-way. STALE_VALUE: a value is read under a lock, and used
    after the lock was given up. UNORDERED: nothing says whether a read comes before the write or
    after it. LOCK_ORDER: locks are taken in orders that contradict each other.
    """

    LOST_UPDATE = "lost update"
    CHECK_THEN_ACT = "check then act"
    TORN_UPDATE = "torn update"
    STALE_VALUE = "stale value"
    UNORDERED = "unordered"
    LOCK_ORDER = "lock order"


@dataclass(frozen=True, slots=True)
class Race:
    """A racy program, what is to be found in it, and its repaired twin.

    `what` names the shared location as a reader would: the attribute, the global or the closure
    variable, of a container the one it lives in. Where it takes several, they stand with commas
    between them: a finding that names one of these is right, except that one of LOCK_ORDER names
    locks, and all of them. The same defect may come out as `also`, another kind.
    """

    program: Callable[[], None]
    kind: FindingKind
    what: str
    defect: Defect
    twin: Callable[[], None]
    also: FindingKind | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those of `what`, one by one."""
        return tuple(self.what.split(", "))

    def __str__(self) -> str:
        return _told(self.program)


@dataclass(frozen=True, slots=True)
class RaceFree:
    """A program without a race: every two accesses that conflict are ordered.

    `benign` ones have pairs that are not, and whoever comes first, it comes to the same.
    """

    program: Callable[[], None]
    benign: bool = False

    def __str__(self) -> str:
        return _told(self.program)


def quiet(*errors: type[Exception], work: Callable[[], object]) -> Callable[[], None]:
    """The work, without the errors that its race may end in."""

    def run() -> None:
        try:
            work()
        except errors:
            pass

    return run


def lost(program: Callable[[], None], what: str, twin: Callable[[], None]) -> Race:
    """A lost update."""
    return Race(program, ATOMICITY, what, Defect.LOST_UPDATE, twin)


def overtaken(program: Callable[[], None], what: str, twin: Callable[[], None]) -> Race:
    """Checked, and then acted upon."""
    return Race(program, ATOMICITY, what, Defect.CHECK_THEN_ACT, twin)


def torn(program: Callable[[], None], what: str, twin: Callable[[], None]) -> Race:
    """A torn update."""
    return Race(program, ATOMICITY, what, Defect.TORN_UPDATE, twin)


def _told(program: Callable[[], None]) -> str:
    return f"{program.__module__.rpartition('.')[2]}.{program.__name__}"


ATOMICITY = FindingKind.ATOMICITY
DATA_RACE = FindingKind.DATA_RACE
