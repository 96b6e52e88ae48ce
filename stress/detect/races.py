"""Data races: two accesses to one place, one of them a write, and nothing that orders them.

By the happens-before order, and so without false alarms as to the order; what is missed is what
the execution happened to order by its locks. Flanagan, Freund: "FastTrack: efficient and precise
dynamic race detection", PLDI 2009. It departs from there in that all readers since the last write
are kept, so that a finding names the nearest ones.

With the lock of the interpreter most of them do no harm by themselves: each is given a grade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stress.detect.accesses import Access, Place, accesses_of
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site


def data_races(trace: Trace) -> Sequence[Suspicion]:
    """The races of one execution, each pair of places in the source once, the worst first."""
    found: dict[frozenset[Site], Suspicion] = {}
    for place, accesses in accesses_of(trace).items():
        for first, second in _unordered(trace, accesses):
            race = _judged(trace, place, accesses, first, second)
            key = frozenset((first.site, second.site))
            if key not in found or _RANK[race.grade] < _RANK[found[key].grade]:
                found[key] = race
    return sorted(found.values(), key=lambda race: _RANK[race.grade])


_RANK = {grade: rank for rank, grade in enumerate(Grade)}


def _unordered(trace: Trace, accesses: list[Access]) -> Iterator[tuple[Access, Access]]:
    """Pairs of which the first is the last write of a task, or its last read, before the second."""
    writes: dict[int, Access] = {}
    reads: dict[int, Access] = {}
    for access in accesses:
        for before in (*writes.values(), *(reads.values() if access.writes else ())):
            if before.task == access.task or not before.meets(access):
                continue
            if not trace.ordered(before.step, access.step):
                yield before, access
        (writes if access.writes else reads)[access.task] = access


def _judged(
    trace: Trace, place: Place, accesses: list[Access], first: Access, second: Access
) -> Suspicion:
    grade = Grade.UNORDERED if place.name else _grade_of_container(trace, first, second)
    if grade is Grade.UNORDERED and _is_polled(accesses):
        grade = Grade.BENIGN
    verbs = [_verb(one) for one in (first, second)]
    return Suspicion(
        kind=FindingKind.DATA_RACE,
        grade=grade,
        what=place.name,
        steps=(first.step, second.step),
        message=(
            f"data race on {{what}}: task {first.task} {verbs[0]} it in {{0}}, task {second.task} "
            f"{verbs[1]} it in {{1}}, and nothing says which comes first"
        ),
        remedy=_remedy(trace, first, second),
    )


def _verb(access: Access) -> str:
    if access.site.kind == "iterate":
        return "goes through"
    return "writes" if access.writes else "reads"


def _grade_of_container(trace: Trace, first: Access, second: Access) -> Grade:
    """Each step on a container is whole, with the interpreter's lock and without; a loop over one
    is many steps."""
    for one, other in ((first, second), (second, first)):
        if one.site.kind == "iterate" and trace.steps[one.step].second and other.writes:
            return Grade.TORN
    return Grade.BENIGN


def _is_polled(accesses: list[Access]) -> bool:
    """Whether it is a flag that is set once and looked at again and again."""
    writers = {one.task for one in accesses if one.writes}
    if len(writers) > 1:
        return False
    looks = [one for one in accesses if not one.writes and one.task not in writers]
    return len(looks) > len({(one.task, one.site) for one in looks})


def _remedy(trace: Trace, first: Access, second: Access) -> str:
    """A lock that one of the two has, and the other has not."""
    for one, which in ((first, "{1}"), (second, "{0}")):
        held = trace.held[one.step]
        if held:
            return f"hold {{lock:{held[-1].step}}} in {which} as well"
    return "hold one lock in both, or let one wait for the other"
