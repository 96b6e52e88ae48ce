"""Shrinking: the same defect with the fewest preemptions, and then the shortest schedule.

Delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", TSE 2002)
on the switches of a schedule; before it, and after it with what is left, a systematic search below
what is known, which finds defects of few preemptions at once. It counts executions, not seconds, so
that the same finding always shrinks to the same. This module knows schedules only: how one is
executed is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

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


#: Of so many parts each is tried alone: most defects need few of many preemptions.
_FEW = 8


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
    search_below(state, search, limit // 4)
    while True:
        while _in_parts(state, _preemptions, *_ALL) or drop_switches(state):
            pass
        if not search_below(state, search, limit - state.executions):
            return state.best, state.executions


def search_below(state: Shrinking, search: Search, limit: int) -> bool:
    """Systematically, from no preemption up to one fewer than are known, with so many executions;
    where there was a search before, it goes on from there."""
    if limit < 1 or not state.best.preemptions:
        return False
    found, made = search(state.best.preemptions, limit)
    state.executions += made
    if found is None or size(found) >= size(state.best):
        return False
    state.best = found
    return True


def drop_preemptions(state: Shrinking) -> bool:
    """Leave out preemptions: many at once, then fewer, then one; and where that ends the defect,
    all but a few."""
    return _in_parts(state, _preemptions, _each_alone, _without)


def pass_over(state: Shrinking) -> bool:
    """From the first of some preemptions in a row at once to where the last one leads: tasks that
    only hand the turn on are not visited."""
    return _in_parts(state, _preemptions, _passed_over)


def drop_switches(state: Shrinking) -> bool:
    """Leave out any switches."""
    return _in_parts(state, lambda schedule: list(range(len(schedule.switches))), _without)


def _in_parts(
    state: Shrinking,
    places: Callable[[Schedule], list[int]],
    *ways: Way,
) -> bool:
    """Try in these ways what becomes of the schedule for each part of some of its switches: halves,
    then smaller parts, down to each switch. Gives whether anything became smaller."""
    smaller = False
    chunk = max(1, len(places(state.best)) // 2)
    while True:
        found = places(state.best)
        parts = (found[start : start + chunk] for start in range(0, len(found), chunk))
        candidates = (way(state.best, found, part) for part in parts for way in ways)
        taken = any(one is not None and state.take(one) for one in candidates)
        smaller = smaller or taken
        if not taken and chunk == 1:
            return smaller
        if not taken:
            chunk = max(1, chunk // 2)


#: A smaller schedule, from the places of some of its switches and a part of these; None where
#: there is none.
Way = Callable[[Schedule, list[int], list[int]], Schedule | None]


def _preemptions(schedule: Schedule) -> list[int]:
    return [place for place, switch in enumerate(schedule.switches) if switch.at]


def _without(schedule: Schedule, places: list[int], part: list[int]) -> Schedule:
    left_out = frozenset(part)
    kept = (switch for place, switch in enumerate(schedule.switches) if place not in left_out)
    return Schedule(schedule.seed, tuple(kept))


def _each_alone(schedule: Schedule, places: list[int], part: list[int]) -> Schedule | None:
    # Of two parts each is what is left without the other; and of many it takes too long.
    if not 2 * len(part) < len(places) <= _FEW * len(part):
        return None
    return _without(schedule, places, sorted(set(places) - set(part)))


def _passed_over(schedule: Schedule, places: list[int], part: list[int]) -> Schedule | None:
    after = places.index(part[0]) + len(part)
    if after >= len(places):
        return None
    switches, last = schedule.switches, places[after]
    first = replace(switches[part[0]], to=switches[last].to)
    left_out = {*part, last}
    kept = [switch for place, switch in enumerate(switches) if place not in left_out]
    kept.insert(part[0], first)
    return Schedule(schedule.seed, tuple(kept))


_ALL: tuple[Way, ...] = (_each_alone, _without, _passed_over)
