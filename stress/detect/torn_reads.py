"""Torn reads: what one function changes together, and another reads together, half of it each.

The places of a cycle as in `atomicity`, where each of the accesses may lie in a call of its own
that holds the lock. That the writes belong together is taken from their being made by one call of
a function; that the reads do, from the use of what is read: both come together in one expression
(see `dependence`). Of views that do not fit each other speak Artho, Havelund, Biere, "High-level
data races", Software Testing, Verification and Reliability 2003. Who looks at one of them twice
sees by that whether something has changed, and is not told.

For that the stacks of the steps must be known; see `stale_values` for where they are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.detect.accesses import Access, Accesses, Place, accesses_of
from stress.detect.activations import in_one_go, in_one_loop
from stress.detect.dependence import come_together
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site

#: So many reads of a task before are looked at together with one.
_BACK = 6


class _Look(NamedTuple):
    """A read of a place, with the last write of another task before it and the next after it. Or a
    write, without."""

    place: Place
    read: Access
    before: Access | None
    after: Access | None


class _Torn(NamedTuple):
    reads: tuple[int, int]
    writes: tuple[int, int]


def torn_reads(trace: Trace) -> Sequence[Suspicion]:
    """The torn reads of one execution, each by its places in the source once."""
    found: dict[frozenset[Site], Suspicion] = {}
    for torn in _candidates(accesses_of(trace)):
        steps = (*torn.reads, *torn.writes)
        key = frozenset(trace.steps[step].site for step in steps)
        if key not in found and (not trace.stacks or _belong_together(trace, torn)):
            found[key] = _told(trace, torn)
    return tuple(found.values())


def _candidates(shared: Accesses) -> Iterator[_Torn]:
    looks = sorted(
        (look for place, accesses in shared.items() for look in _looks(place, accesses)),
        key=lambda look: look.read.step,
    )
    last: dict[int, list[_Look]] = {}
    for look in looks:
        mine = last.setdefault(look.read.task, [])
        if look.read.writes:
            # What it has changed itself it did not only see.
            mine[:] = [earlier for earlier in mine if earlier.place != look.place]
            continue
        others = [earlier for earlier in mine if _place(earlier) != _place(look)]
        if len(others) == len(mine):
            for earlier in mine:
                yield from _halves(earlier, look)
        mine[:] = [*others, look]
        del mine[:-_BACK]


def _place(look: _Look) -> tuple[Place, str]:
    return look.place, look.read.key


def _looks(place: Place, accesses: Sequence[Access]) -> Iterator[_Look]:
    for index, read in enumerate(accesses):
        if read.writes:
            yield _Look(place, read, None, None)
            continue
        before = _nearest(reversed(accesses[:index]), read)
        after = _nearest(accesses[index + 1 :], read)
        if before or after:
            yield _Look(place, read, before, after)


def _nearest(accesses: Iterator[Access] | Sequence[Access], read: Access) -> Access | None:
    for access in accesses:
        if access.writes and access.meets(read):
            return access if access.task != read.task else None
    return None


def _halves(one: _Look, other: _Look) -> Iterator[_Torn]:
    reads = one.read.step, other.read.step
    # The writer is in the middle of it, and has done one half.
    for new, old in ((one, other), (other, one)):
        done, due = new.before, old.after
        if done and due and done.task == due.task and done.step < due.step:
            yield _Torn(reads, (done.step, due.step))
    # The reader is in the middle of it, and the writer does both halves.
    first, second = one.after, other.before
    if first and second and first.task == second.task:
        writes = sorted((first.step, second.step))
        yield _Torn(reads, (writes[0], writes[1]))


def _belong_together(trace: Trace, torn: _Torn) -> bool:
    if in_one_go(trace, *torn.writes) is None and not in_one_loop(trace, *torn.writes):
        return False
    reads = in_one_go(trace, *torn.reads)
    if reads is None or reads.first.span is None or reads.second.span is None:
        return False
    file, spans = reads.first.file, (reads.first.span, reads.second.span)
    return come_together(file, *spans)


def _told(trace: Trace, torn: _Torn) -> Suspicion:
    reader, writer = trace.steps[torn.reads[0]].task, trace.steps[torn.writes[0]].task
    reads, writes = (f"{{span:{one}:{two}}}" for one, two in (torn.reads, torn.writes))
    return Suspicion(
        kind=FindingKind.ATOMICITY,
        grade=Grade.TORN,
        what="",
        steps=tuple(sorted((*torn.reads, *torn.writes))),
        message=(
            f"torn update of {{what}}: task {reader} reads them together in {reads}, and sees half "
            f"of what task {writer} changes in {writes}"
        ),
        remedy=f"hold one lock over all of {writes}, and over all of {reads}",
    )
