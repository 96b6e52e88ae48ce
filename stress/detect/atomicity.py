"""Atomicity violations: what belongs together in one task, and another task comes between.

Of one place, a read and a write of one unit (see `units`) with a write of another task between
them: what was read is old when it is acted on. Of the patterns of Lu, Tucek, Qin, Zhou ("AVIO:
detecting atomicity violations via access interleaving invariants", ASPLOS 2006) it is the one that
nobody wants; the others are what a flag that is polled looks like. Of several places, two units of
which each comes before the other: a cycle of the conflict graph, as in Flanagan, Freund, Yi,
"Velodrome: a sound and complete dynamic atomicity checker for multithreaded programs", PLDI 2008.

Whether locks are held for each access alone is not asked: that does not help.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.detect.accesses import Access, Accesses, Place, accesses_of
from stress.detect.suspicion import Grade, Overtaken, Suspicion
from stress.detect.trace import Trace
from stress.detect.units import Units
from stress.finding import FindingKind
from stress.site import Site

#: So many accesses to a place are looked back at.
_BACK = 48
#: A look that says whether there is something, what makes it more, and what takes from it.
_LOOKS = frozenset({"len", "bool", "", "empty", "qsize"})
_GROWS = frozenset({
    "append", "appendleft", "add", "extend", "insert", "setdefault", "put", "put_nowait",
})  # fmt: skip
_TAKES = frozenset({"pop", "popleft", "popitem", "remove", "discard", "get", "get_nowait"})


def atomicity_violations(trace: Trace) -> Sequence[Suspicion]:
    """The violations of one execution, each by its places in the source once."""
    units = Units(trace)
    shared = accesses_of(trace)
    found: dict[frozenset[Site], Suspicion] = {}
    for place, accesses in shared.items():
        for triple in _triples(accesses, units):
            key = frozenset(access.site for access in triple)
            found.setdefault(key, _stale(trace, place, *triple))
    for cycle in _cycles(shared, units):
        key = frozenset(trace.steps[step].site for step in (*cycle.one, *cycle.other))
        if key not in found:
            found[key] = _torn(trace, cycle)
    return tuple(found.values())


def _triples(accesses: Sequence[Access], units: Units) -> Iterator[tuple[Access, Access, Access]]:
    """Read, write of another task, write."""
    last_reads: dict[int, tuple[int, Access]] = {}
    for index, access in enumerate(accesses):
        task = access.task
        if not access.writes:
            last_reads[task] = index, access
            continue
        begin, read = last_reads.pop(task, (index, access))
        unit = units.of[access.step]
        if not unit or units.of[read.step] != unit or not _same_item(read, access):
            continue
        for between in accesses[begin + 1 : index]:
            if between.task == task or not between.writes or only_helps(read, between, access):
                continue
            if between.meets(read) and between.meets(access):
                yield read, between, access
                break


def doubt_about(trace: Trace, read: Access, between: Access, last: Access) -> Overtaken | None:
    """Where both wrote the same because there was nothing yet, it may be that both computed it.

    Of objects nobody can say that they are the same but who made them; and who sets a flag, or adds
    something by a call, means to be the one who does.
    """
    if not trace.values or last.site.kind not in ("write", "write item"):
        return None
    if not _was_missing(read, trace.values[read.step]):
        return None
    value = trace.values[last.step]
    if value != trace.values[between.step] or not _is_plain(value):
        return None
    # With a lock in its hand it would keep the other from coming first.
    stop = min([read.step, *(held.step for held in trace.held[read.step])])
    return Overtaken(stop, read.step, between.step, last.step)


def _was_missing(read: Access, value: str) -> bool:
    if read.site.kind == "read item" and read.key:
        try:
            return ast.literal_eval(read.key) not in ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError):
            return False
    return read.site.kind in ("contains", "call") or value == "None"


def _is_plain(value: str) -> bool:
    try:
        return not isinstance(ast.literal_eval(value), bool)
    except (ValueError, SyntaxError):
        return False


def _same_item(one: Access, other: Access) -> bool:
    return not one.key or not other.key or one.key == other.key


def only_helps(read: Access, between: Access, last: Access) -> bool:
    """Where there was something to take, there is still something when there is more; and where
    there was room, there is when there is less."""
    if read.site.kind not in ("read item", "call") or read.key:
        return False
    if read.site.name == "full":
        return between.site.name in _TAKES and last.site.name in _GROWS
    if read.site.name not in _LOOKS:
        return False
    return between.site.name in _GROWS and last.site.name in _TAKES


class _Cycle(NamedTuple):
    """Two units of which each comes before the other: what each does, in its order."""

    one: tuple[int, int]
    other: tuple[int, int]


def _cycles(shared: Accesses, units: Units) -> Iterator[_Cycle]:
    edges: dict[tuple[int, int], list[tuple[int, int, tuple[Place, str]]]] = {}
    for place, accesses in shared.items():
        back: deque[Access] = deque(maxlen=_BACK)
        for later in accesses:
            unit = units.of[later.step]
            if not unit:
                continue
            for earlier in back:
                other = units.of[earlier.step]
                if earlier.task == later.task or not earlier.meets(later):
                    continue
                if both_only_add(earlier.site.name, later.site.name):
                    continue
                if units.overlap(other, unit):
                    # Items of one container are places of their own, where the keys are known.
                    key = earlier.key if earlier.key == later.key else ""
                    edge = earlier.step, later.step, (place, key)
                    edges.setdefault((other, unit), []).append(edge)
            back.append(later)
    retried = _retried(shared, units)
    for (one, other), forth in edges.items():
        back_edges = edges.get((other, one), ()) if one < other else ()
        if not back_edges or one in retried or other in retried:
            continue
        for first, second, one_place in forth:
            for third, fourth, other_place in back_edges:
                if one_place != other_place and first != fourth and second != third:
                    yield _Cycle(_sorted(first, fourth), _sorted(second, third))


def _retried(shared: Accesses, units: Units) -> frozenset[int]:
    """Units that only read, and that their task begins anew: it has seen that it was no good."""
    writing = {units.of[one.step] for accesses in shared.values() for one in accesses if one.writes}
    return frozenset(unit for unit in units.repeated if unit not in writing)


def both_only_add(one: str, other: str) -> bool:
    """Whether it is as good as the same which of two calls comes first: both add something."""
    return one in _GROWS and other in _GROWS


def _sorted(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _stale(trace: Trace, place: Place, first: Access, between: Access, last: Access) -> Suspicion:
    span = f"{{span:{first.step}:{last.step}}}"
    if first.site.kind in ("read", "read item") and last.site.kind in ("write", "write item"):
        said = f"lost update of {{what}}: task {first.task} reads it and writes it back in {span}"
    else:
        said = f"check, then act on {{what}}: task {first.task} looks and then changes it in {span}"
    return Suspicion(
        kind=FindingKind.ATOMICITY,
        grade=Grade.TORN,
        what=place.name,
        steps=(first.step, between.step, last.step),
        message=f"{said}, and in between task {between.task} changes it in {{1}}",
        remedy=_remedy(trace, (first.step, last.step), (between.step, between.step)),
        doubt=doubt_about(trace, first, between, last),
    )


def _torn(trace: Trace, cycle: _Cycle) -> Suspicion:
    one, other = cycle.one, cycle.other
    if one[0] > other[0]:
        one, other = other, one
    tasks = trace.steps[one[0]].task, trace.steps[other[0]].task
    return Suspicion(
        kind=FindingKind.ATOMICITY,
        grade=Grade.TORN,
        what="",
        steps=tuple(sorted((*one, *other))),
        message=(
            f"torn update of {{what}}: task {tasks[1]} goes through {{span:{other[0]}:{other[1]}}} "
            f"while task {tasks[0]} is in the middle of {{span:{one[0]}:{one[1]}}}; neither of the "
            "two comes before the other"
        ),
        remedy=_remedy(trace, one, other),
    )


def _remedy(trace: Trace, one: tuple[int, int], other: tuple[int, int]) -> str:
    """A lock that one of the two has for all it does; or any."""
    spans = [f"{{span:{first}:{last}}}" for first, last in (one, other)]
    for mine, theirs in ((one, spans[1]), (other, spans[0])):
        common = [held for held in trace.held[mine[0]] if held in trace.held[mine[1]]]
        if common:
            return f"hold {{lock:{common[0].step}}} in {theirs} as well, from its first step on"
    return f"hold one lock over all of {spans[0]} and of {spans[1]}"


def comes_to_the_same(trace: Trace, doubt: Overtaken, other: Trace) -> bool:
    """Whether who wrote late has nothing else to write when it comes after the other.

    In the second trace it did: it reads what was written, and writes it again or not at all.
    """
    read, between, write = (trace.steps[n] for n in (doubt.read, doubt.between, doubt.write))
    is_in_turn = has_read = False
    for number, step in enumerate(other.steps[doubt.stop :], doubt.stop):
        if step.task == between.task and step.site is between.site:
            is_in_turn = is_in_turn or not has_read
        if step.task != read.task or not is_in_turn:
            continue
        if step.site is read.site:
            if has_read:
                break
            has_read = True
        elif has_read and step.site is write.site:
            return other.values[number] == trace.values[doubt.write]
    return has_read
