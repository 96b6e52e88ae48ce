"""Accesses: what steps touch of memory that tasks share."""

from __future__ import annotations

from typing import NamedTuple

from stress.conflicts import NAMED, only_looks
from stress.detect.library import ASKS, LOOKS
from stress.detect.trace import Trace
from stress.site import Site
from stress.steps import Step


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
    found: Accesses = _looked_at(trace)[0]
    return found


def library_calls_of(trace: Trace) -> list[int]:
    """The steps that are for a call of a method of the standard library: see `Step.through`."""
    found: list[int] = _looked_at(trace)[1]
    return found


def _looked_at(trace: Trace) -> tuple[Accesses, list[int]]:
    if "accesses" not in trace.made:
        trace.made["accesses"] = _look(trace)
    found: tuple[Accesses, list[int]] = trace.made["accesses"]
    return found


def _look(trace: Trace) -> tuple[Accesses, list[int]]:
    found: Accesses = {}
    calls: list[int] = []
    for number, step in enumerate(trace.steps):
        site = step.site
        # Of what is in no function, as a statement of SQL, no place is known.
        if not site.function:
            if step.through is not None:
                calls.append(number)
                if step.through.name not in ASKS:
                    writes = step.through.name not in LOOKS
                    access = Access(number, step.task, step.through, writes, "")
                    found.setdefault(Place(step.subject, ""), []).append(access)
            continue
        if step.subject:
            place = Place(step.subject, site.name if site.kind in NAMED else "")
            access = Access(number, step.task, site, _writes(step), step.key)
            found.setdefault(place, []).append(access)
        if step.second:
            access = Access(number, step.task, site, False, step.key)
            found.setdefault(Place(step.second, ""), []).append(access)
    return {place: one for place, one in found.items() if _are_shared(one)}, calls


def _writes(step: Step) -> bool:
    site = step.site
    # What a loop begins with is looked at; then the iterator changes.
    return not only_looks(site.kind, site.name) and (site.kind != "iterate" or step.second > 0)


def _are_shared(accesses: list[Access]) -> bool:
    if len(accesses) < 2 or len({one.task for one in accesses}) < 2:
        return False
    if not any(one.writes for one in accesses):
        return False
    # Who enters something by `with`, and nothing else, enters a lock.
    return any(one.site.kind != "enter" for one in accesses)
