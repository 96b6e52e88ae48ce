"""POS, partial order sampling: operations have random priorities, not tasks.

Yuan, Yang, Gu: "Partial order aware concurrency sampling", CAV 2018. Each pending operation draws
a priority, the highest goes first, and operations that conflict with it draw anew: so each of the
orders of conflicting operations has its chance, whatever else the tasks do.

It departs from the paper in that it sees only choices: what one task does while no other is ready
conflicts with nothing that could have come first.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.conflicts import Effect, conflict, effect_of
from stress.strategies.draws import Draws
from stress.strategy import Pending


class POS:
    """A strategy without an end."""

    def __init__(self, seed: int) -> None:
        self._draws = Draws(seed)
        self._priorities: dict[int, float] = {}
        self._last = -1
        self._done: Effect | None = None

    def begin(self, execution: int) -> bool:
        """Seed this execution."""
        self._draws.begin(execution)
        self._priorities = {}
        self._last, self._done = -1, None
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The task whose operation has the highest priority."""
        priorities, done = self._priorities, self._done
        for task in ready:
            if task == self._last or task not in priorities:
                priorities[task] = self._draws.fraction()
        if done is not None:
            # Also of those that cannot go on now: they wait for what was just taken.
            for task in priorities:
                if task != self._last and conflict(done, effect_of(pending[task])):
                    priorities[task] = self._draws.fraction()
        chosen = max(ready, key=priorities.__getitem__)
        done = effect_of(pending[chosen])
        self._last, self._done = chosen, done if done.subject else None
        return chosen
