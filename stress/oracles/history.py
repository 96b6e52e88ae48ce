"""Histories: the call and return records of operations, and what holds for every history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stress.finding import FindingKind, Violation


@dataclass(frozen=True, slots=True)
class Call:
    """One operation with its answer. Times are monotonic nanoseconds; both ends are included.

    `error` is the text of an escaped exception as `Type: message`, `error_place` the function
    in which it was raised; both are empty when the operation returned. A `pending` call never
    returned, as far as the history goes: it has neither answer nor end.
    """

    actor: str
    step: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Any = None
    error: str = ""
    error_place: str = ""
    began_ns: int = 0
    ended_ns: int = 0
    pending: bool = False

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def overlaps(calls: Sequence[Call]) -> bool:
    """Whether two operations of different actors were ever under way at the same time."""
    latest_end: dict[str, float] = {}
    for call in sorted(calls, key=lambda call: call.began_ns):
        if any(end > call.began_ns for actor, end in latest_end.items() if actor != call.actor):
            return True
        end = float("inf") if call.pending else call.ended_ns
        latest_end[call.actor] = max(end, latest_end.get(call.actor, 0))
    return False


def check_no_escaped_exceptions(calls: Iterable[Call]) -> Iterator[Violation]:
    """No operation raises: what an operation may raise, its handler turns into a result."""
    for call in calls:
        if call.error:
            kind = call.error.partition(":")[0]
            yield Violation(
                FindingKind.EXCEPTION,
                "no_escaped_exception",
                f"{call.error_place or call.name}: {kind}",
                f"{call.name} raised {call.error}",
                {"actor": call.actor, "step": call.step, "arguments": dict(call.arguments)},
            )


def check_no_thread_exceptions(uncaught: Iterable[tuple[str, str, str]]) -> Iterator[Violation]:
    """No thread dies of an exception; `uncaught` holds (thread, place, `Type: message`)."""
    for thread, place, error in uncaught:
        yield Violation(
            FindingKind.EXCEPTION,
            "no_escaped_exception",
            f"{place}: {error.partition(':')[0]}",
            f"thread {thread!r} died of {error}",
            {"thread": thread},
        )
