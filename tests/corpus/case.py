"""What a case of the corpus is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from stress.finding import FindingKind


@dataclass(frozen=True, slots=True)
class Case:
    """A program, and what is wrong with it: the kind, a part of the place or the message of the
    finding, and the fewest preemptions that show it. A repaired twin has none of these, and stands
    after the wrong one. The same defect may come out as `also`, another kind."""

    program: Callable[[], None]
    kind: FindingKind | None = None
    place: str = ""
    preemptions: int | None = None
    also: FindingKind | None = None

    def __str__(self) -> str:
        return f"{self.program.__module__.rpartition('.')[2]}.{self.program.__name__}"


def together(*works: Callable[[], object]) -> None:
    """Run each on a thread of its own, to the end of all."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


WRONG = FindingKind.EXCEPTION
DEADLOCK = FindingKind.DEADLOCK
STARVATION = FindingKind.STARVATION
