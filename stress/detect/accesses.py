"""Accesses: what steps touch of memory that tasks share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stress.conflicts import only_looks
from stress.detect.trace import Trace, is_of_model
from stress.site import Site
from stress.steps import NAMED, Step


class Place(NamedTuple):
    """An attribute of an object, a global, a variable of a closure, or a container as a whole."""

    subject: int
    name: str


class Access(NamedTuple):
    """One step that touches a place, or one item of it where there is a `key`."""

    step: int
    task: int
    site: Site
    writes: bool
    key: str

    def meets(self, other: Access) -> bool:
        """Whether it matters which of two accesses to a place comes first."""
        if not (self.writes or other.writes):
            return False
        return not self.key or not other.key or self.key == other.key


Accesses = dict[Place, list[Access]]


def accesses_of(trace: Trace) -> Accesses:
    """All accesses to places that more than one task touches and one writes, in their order."""
    found: Accesses = {}
    for number, step in enumerate(trace.steps):
        for place, writes in _touched(step):
            access = Access(number, step.task, step.site, writes, step.key)
            found.setdefault(place, []).append(access)
    return {place: accesses for place, accesses in found.items() if _are_shared(accesses)}


def _touched(step: Step) -> Iterator[tuple[Place, bool]]:
    if is_of_model(step) or not step.site.function:
        return  # Of what is in no function, as a statement of SQL, no place is known.
    site = step.site
    # What a loop begins with is looked at; then the iterator changes.
    writes = not only_looks(site.kind, site.name) and (site.kind != "iterate" or step.second > 0)
    if step.subject:
        yield Place(step.subject, site.name if site.kind in NAMED else ""), writes
    if step.second:
        yield Place(step.second, ""), False


def _are_shared(accesses: list[Access]) -> bool:
    first = accesses[0].task
    if all(one.task == first for one in accesses) or not any(one.writes for one in accesses):
        return False
    # Who enters something by `with`, and nothing else, enters a lock.
    return any(one.site.kind != "enter" for one in accesses)
