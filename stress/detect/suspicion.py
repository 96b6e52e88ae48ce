"""Suspicions: what a detector has to say of one execution. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from stress.detect.trace import Trace
from stress.finding import FindingKind


class Grade(StrEnum):
    """How bad it is where a global interpreter lock makes each step whole.

    TORN: what belongs together comes apart, so that a result is wrong. UNORDERED: one task may see
    what another wrote, or not, and nothing says which; without the interpreter's lock nothing
    says when, either. BENIGN: whoever comes first, it comes to the same.
    """

    TORN = "torn"
    UNORDERED = "unordered"
    BENIGN = "benign"

    def fails(self, *, free_threaded: bool = False) -> bool:
        """Whether a run fails by it; `free_threaded` is for code that runs without the lock."""
        return self is Grade.TORN or (free_threaded and self is Grade.UNORDERED)


class Overtaken(NamedTuple):
    """A doubt whether the write after `between` says anything else than that one: by steps. Before
    the first of them, its task can be made to wait for the other."""

    stop: int
    read: int
    between: int
    write: int


class Inversion(NamedTuple):
    """Steps that take a lock while another is held, of which each might wait for the next."""

    takes: tuple[int, ...]


class Suspicion(NamedTuple):
    """One defect that an execution shows, by the places of its `steps`, in their order.

    `what` names what it is about, as a reader of the program would. `message` and `remedy` are
    completed by whoever knows the frames: in them `{0}`, `{1}` and so on are where the steps stand,
    `{span:3:7}` is where the task goes from step 3 to 7 of the trace, and `{lock:3}` is the lock
    that step 3 takes. `doubt` is there where another execution can tell more.
    """

    kind: FindingKind
    grade: Grade
    what: str
    steps: tuple[int, ...]
    message: str
    remedy: str = ""
    doubt: Overtaken | Inversion | None = None


#: Finds what is suspicious in one execution. The same trace always gives the same.
Detector = Callable[[Trace], Sequence[Suspicion]]
