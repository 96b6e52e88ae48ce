"""Shrinking: the same defect with the fewest preemptions, and then the shortest schedule.

Delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", TSE 2002)
on the switches of a schedule, and before it a systematic search below what is known, which finds
defects of few preemptions at once. It counts executions, not seconds, so that the same finding
always shrinks to the same. This module knows schedules only: how one is executed is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from stress.schedule import Schedule

#: Executes a schedule as far as it fits; gives the one that came about where the defect is the
#: same, and None where it is not.
Attempt = Callable[[Schedule], Schedule | None]
#: Searches executions with fewer preemptions than that, at most so many: what has the defect, if
#: anything, and how many were made.
Search = Callable[[int, int], "tuple[Schedule | None, int]"]


def size(schedule: Schedule) -> tuple[int, int]:
    """What shrinks: first preemptions, then all switches."""
    return schedule.preemptions, len(schedule.switches)


@dataclass
class Shrinking:
    """The state of one shrinking. `executions` counts those made, up to `limit`."""

    best: Schedule
    attempt: Attempt
    limit: int
    executions: int = 0
    #: Sizes and contents that were tried already.
    _tried: set[Schedule] = field(default_factory=set)

    def take(self, candidate: Schedule) -> bool:
        """Try a schedule; keep what comes about where that is smaller."""
        if candidate in self._tried or self.executions >= self.limit:
            return False
        self._tried.add(candidate)
        self.executions += 1
        came = self.attempt(candidate)
        if came is None or size(came) >= size(self.best):
            return False
        self.best = came
        return True


def shrink_schedule(
    schedule: Schedule, attempt: Attempt, search: Search, limit: int
) -> tuple[Schedule, int]:
    """The smallest schedule with the same defect that is found in so many executions, and their
    number. Shrinking the result again gives the same."""
    state = Shrinking(schedule, attempt, limit)
    search_below(state, search)
    while drop_preemptions(state) or drop_switches(state):
        pass
    return state.best, state.executions


def search_below(state: Shrinking, search: Search) -> bool:
    """Systematically, from no preemption up to one fewer than are known, for half of the limit."""
    found, made = search(state.best.preemptions, state.limit // 2)
    state.executions += made
    if found is None or size(found) >= size(state.best):
        return False
    state.best = found
    return True


def drop_preemptions(state: Shrinking) -> bool:
    """Leave out preemptions: many at once, then fewer, then one."""
    return _drop(state, lambda s: [i for i, switch in enumerate(s.switches) if switch.at])


def drop_switches(state: Shrinking) -> bool:
    """Leave out any switches."""
    return _drop(state, lambda s: list(range(len(s.switches))))


def _drop(state: Shrinking, places: Callable[[Schedule], Sequence[int]]) -> bool:
    smaller = False
    chunk = max(1, len(places(state.best)) // 2)
    while True:
        found = places(state.best)
        bounds = [*range(0, len(found), chunk), len(found)]
        taken = any(
            state.take(_without(state.best, frozenset(found[start:end])))
            for start, end in pairwise(bounds)
        )
        smaller = smaller or taken
        if not taken and chunk == 1:
            return smaller
        if not taken:
            chunk = max(1, chunk // 2)


def _without(schedule: Schedule, places: frozenset[int]) -> Schedule:
    kept = (switch for place, switch in enumerate(schedule.switches) if place not in places)
    return Schedule(schedule.seed, tuple(kept))
