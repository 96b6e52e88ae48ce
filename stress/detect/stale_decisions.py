"""Stale decisions: what a task has read of one place decides what it writes to another, and by then
another task has changed both.

A cycle as in `atomicity`: by the first place this task comes before the other, by the second after
it. That the two accesses of this task belong together is taken from the dependence of the second on
the first, where one function makes both itself; that those of the other do from their being made by
one call of a function. See `stale_values`, also for where the stacks of the steps are not known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.detect.accesses import Access, Accesses, Place, accesses_of
from stress.detect.activations import in_one_go
from stress.detect.dependence import depends
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site

#: So many reads of a task before are looked at together with a write.
_BACK = 6


class _Stale(NamedTuple):
    """What is read and what the other writes there; what the other writes, and what is written."""

    read: Access
    overtakes: Access
    early: Access
    late: Access


def stale_decisions(trace: Trace) -> Sequence[Suspicion]:
    """The stale decisions of one execution, each by its places in the source once."""
    found: dict[frozenset[Site], Suspicion] = {}
    for stale in _candidates(accesses_of(trace)):
        key = frozenset(access.site for access in stale)
        if key not in found and (not trace.stacks or _belong_together(trace, stale)):
            found[key] = _told(stale)
    return tuple(found.values())


def _candidates(shared: Accesses) -> Iterator[_Stale]:
    every = sorted(
        ((access, place) for place, accesses in shared.items() for access in accesses),
        key=lambda one: one[0].step,
    )
    reads: dict[int, deque[tuple[Access, Place]]] = {}
    last_writes: dict[Place, Access] = {}
    for access, place in every:
        mine = reads.setdefault(access.task, deque(maxlen=_BACK))
        if not access.writes:
            mine.append((access, place))
            continue
        early = last_writes.get(place)
        last_writes[place] = access
        if early is None or early.task == access.task or not early.meets(access):
            continue
        for read, other in mine:
            if (other, read.key) != (place, access.key) and read.step < early.step:
                overtakes = _next_write(shared[other], read, access.step)
                if overtakes is not None and overtakes.task == early.task:
                    yield _Stale(read, overtakes, early, access)


def _next_write(accesses: Sequence[Access], read: Access, end: int) -> Access | None:
    begin = bisect_left(accesses, read.step + 1, key=lambda access: access.step)
    for access in accesses[begin:]:
        if access.step >= end:
            return None
        if access.writes and access.meets(read):
            return access if access.task != read.task else None
    return None


def _belong_together(trace: Trace, stale: _Stale) -> bool:
    theirs = sorted((stale.overtakes.step, stale.early.step))
    if in_one_go(trace, theirs[0], theirs[1]) is None:
        return False
    pair = in_one_go(trace, stale.read.step, stale.late.step)
    if pair is None or pair.first.span is None or pair.second.span is None:
        return False
    ends = trace.stacks[stale.read.step][-1], trace.stacks[stale.late.step][-1]
    if ends != pair:
        return False
    return depends(pair.first.file, pair.first.span, pair.second.span)


def _told(stale: _Stale) -> Suspicion:
    read, late = stale.read, stale.late
    theirs = sorted((stale.overtakes.step, stale.early.step))
    span = f"{{span:{theirs[0]}:{theirs[1]}}}"
    return Suspicion(
        kind=FindingKind.ATOMICITY,
        grade=Grade.TORN,
        what="",
        steps=tuple(sorted((read.step, late.step, *theirs))),
        message=(
            f"stale decision on {{what}}: by what task {read.task} reads in {{0}} it writes in "
            f"{{3}}; in between task {stale.early.task} changes both in {span}"
        ),
        remedy=f"hold one lock from {{0}} to {{3}} (task {read.task}), and over all of {span}",
    )
