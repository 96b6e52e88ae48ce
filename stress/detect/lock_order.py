"""Lock-order inversions: tasks that take the same locks in orders that contradict each other.

Told from executions in which no deadlock came about: each lock that is taken while another is held
is an edge from that one to this one, and a cycle of edges of different tasks is a deadlock that
another order brings about. Havelund, "Using runtime analysis to guide model checking of Java
programs" (GoodLock), SPIN 2000. Of its false alarms those are left out in which all of them hold
one more lock (a gate), in which one task makes two of the edges, and in which the edges cannot be
at the same time since one comes before the other whoever has the locks: Agarwal, Bensalem, Farchi,
Havelund, Nir-Buchbinder, Stoller, Ur, Wang, "Detection of deadlock potentials in multithreaded
programs", IBM Journal of R&D 2010.

Who only tries a lock does not wait for it, and so makes no edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.detect.suspicion import Grade, Inversion, Suspicion
from stress.detect.trace import Held, Trace, is_of_model
from stress.finding import FindingKind

#: Cycles over more locks than these are not looked for.
_LOCKS_MAX = 6
_TAKES = frozenset({"Lock", "RLock", "Condition"})


class _Edge(NamedTuple):
    """A lock that is taken by a step while another is held, and all that are."""

    held: Held
    taken: int
    step: int
    task: int
    all_held: frozenset[int]


def lock_order_inversions(trace: Trace) -> Sequence[Suspicion]:
    """The inversions of one execution, each set of locks once."""
    edges = _edges(trace)
    found: dict[frozenset[int], Suspicion] = {}
    for cycle in _cycles(edges, trace):
        found.setdefault(frozenset(edge.taken for edge in cycle), _told(cycle))
    return tuple(found.values())


def _edges(trace: Trace) -> dict[int, list[_Edge]]:
    """By the lock that is held; each pair of places in the source once for a task."""
    found: dict[tuple[int, int, int, frozenset[int]], _Edge] = {}
    for number, step in enumerate(trace.steps):
        held = trace.held[number]
        if not held or step.site.kind != "acquire" or not is_of_model(step):
            continue
        if not step.waits or step.site.name not in _TAKES or step.subject in map(_lock, held):
            continue
        locks = frozenset(one.lock for one in held)
        for one in held:
            edge = _Edge(one, step.subject, number, step.task, locks)
            found.setdefault((step.task, one.lock, step.subject, locks), edge)
    by_lock: dict[int, list[_Edge]] = {}
    for edge in found.values():
        by_lock.setdefault(edge.held.lock, []).append(edge)
    return by_lock


def _lock(held: Held) -> int:
    return held.lock


def _cycles(edges: dict[int, list[_Edge]], trace: Trace) -> Iterator[tuple[_Edge, ...]]:
    """Each cycle once, from its lowest lock on."""

    def search(path: tuple[_Edge, ...], first: int) -> Iterator[tuple[_Edge, ...]]:
        for edge in edges.get(path[-1].taken, ()):
            if edge.taken < first or not all(_may_meet(edge, other, trace) for other in path):
                continue
            if edge.taken == first:
                yield (*path, edge)
            elif len(path) < _LOCKS_MAX - 1 and all(edge.taken != one.taken for one in path):
                yield from search((*path, edge), first)

    for first in sorted(edges):
        for edge in edges[first]:
            if edge.taken > first:
                yield from search((edge,), first)


def _may_meet(one: _Edge, other: _Edge, trace: Trace) -> bool:
    """Whether two tasks may be there at the same time, each with what it holds."""
    if one.task == other.task or one.all_held & other.all_held:
        return False
    earlier, later = sorted((one.step, other.step))
    return not trace.apart(earlier, later)


def _told(cycle: tuple[_Edge, ...]) -> Suspicion:
    """The steps are, of each edge, the one that took what is held and the one that takes."""
    steps = sorted(step for edge in cycle for step in (edge.held.step, edge.step))
    parts = [
        f"task {edge.task} has {{lock:{edge.held.step}}} and takes {{lock:{edge.step}}} in "
        f"{{span:{edge.held.step}:{edge.step}}}"
        for edge in cycle
    ]
    return Suspicion(
        kind=FindingKind.LOCK_ORDER,
        grade=Grade.TORN,
        what=" and ".join(f"{{lock:{edge.held.step}}}" for edge in cycle),
        steps=tuple(steps),
        message="lock order inversion of {what}: " + ", and ".join(parts),
        remedy="take the locks in one order everywhere",
        doubt=Inversion(tuple(edge.step for edge in cycle)),
    )
