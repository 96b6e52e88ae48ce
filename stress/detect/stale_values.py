"""Stale values: what a task has read decides what it writes, and by then another has written.

Unlike in `atomicity` the two may lie in two calls, each of which holds the lock, as in `if not
jobs.empty(): jobs.get()`. What they have in common is the function that makes both calls, in one
go, and that the second depends on what the first gave (see `dependence`): Burrows, Leino, "Finding
stale-value errors in concurrent programs", Concurrency and Computation 2004.

For that the stacks of the steps must be known. Where they are not, whatever may come to that is
told: then it is worth a look at the same execution with stacks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.detect.accesses import Access, Place, accesses_of
from stress.detect.activations import in_one_go
from stress.detect.atomicity import doubt_about, only_helps
from stress.detect.dependence import depends
from stress.detect.library import ASKING
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site

#: So many reads of a task are looked back at.
_BACK = 3
#: What does the same as one of the library's methods, or says that it could not.
_IN_ONE = {
    "get": "`get_nowait()`, and be ready for `queue.Empty`",
    "put": "`put_nowait()`, and be ready for `queue.Full`",
    "set_result": "`set_result()` alone, and be ready for `InvalidStateError`",
    "set_exception": "`set_exception()` alone, and be ready for `InvalidStateError`",
}


class _Triple(NamedTuple):
    place: Place
    read: Access
    between: Access
    last: Access


def stale_values(trace: Trace) -> Sequence[Suspicion]:
    """The stale values of one execution, each by its places in the source once."""
    found: dict[tuple[Site, Site, Site], Suspicion] = {}
    for place, accesses in accesses_of(trace).items():
        for triple in _triples(place, accesses):
            key = (triple.read.site, triple.between.site, triple.last.site)
            if key not in found and (not trace.stacks or _is_used(trace, triple)):
                found[key] = _told(trace, triple)
    return tuple(found.values())


def _triples(place: Place, accesses: Sequence[Access]) -> Iterator[_Triple]:
    """Reads with a write of another task after them, and then an access of their own."""
    reads: dict[int, deque[tuple[int, Access]]] = {}
    for index, access in enumerate(accesses):
        mine = reads.setdefault(access.task, deque(maxlen=_BACK))
        for begin, read in () if access.site.name in ASKING else mine:
            between = _between(accesses[begin + 1 : index], read, access)
            if between is not None and read.site is not access.site:
                yield _Triple(place, read, between, access)
        if access.writes:
            mine.clear()
        else:
            mine.append((index, access))


def _between(accesses: Sequence[Access], read: Access, last: Access) -> Access | None:
    for access in accesses:
        if access.task == read.task or not access.writes:
            continue
        if access.meets(read) and access.meets(last) and not only_helps(read, access, last):
            return access
    return None


def _is_used(trace: Trace, triple: _Triple) -> bool:
    """Whether one function does both in one go, and the last depends on what was read: by a
    decision or by its value; where it only reads again, by its value."""
    pair = in_one_go(trace, triple.read.step, triple.last.step)
    if pair is None or pair.first.span is None or pair.second.span is None:
        return False
    return depends(
        pair.first.file, pair.first.span, pair.second.span, by_value=not triple.last.writes
    )


def _told(trace: Trace, triple: _Triple) -> Suspicion:
    read, between, last = triple.read, triple.between, triple.last
    verb = "changes" if last.writes else "looks at"
    return Suspicion(
        kind=FindingKind.ATOMICITY,
        grade=Grade.TORN,
        what=triple.place.name,
        steps=(read.step, between.step, last.step),
        message=(
            f"stale value of {{what}}: task {read.task} reads it in {{0}}, and by what it read it "
            f"{verb} it in {{2}}; in between task {between.task} changes it in {{1}}"
        ),
        remedy=_remedy(trace, read, last),
        doubt=doubt_about(trace, read, between, last),
    )


def _remedy(trace: Trace, read: Access, last: Access) -> str:
    if trace.steps[last.step].through is not None and last.site.name in _IN_ONE:
        return f"ask and act by one call in {{2}}: {_IN_ONE[last.site.name]}"
    return f"hold one lock from {{0}} to {{2}} (task {read.task}), and read again under it"
