"""PCT, probabilistic concurrency testing: random priorities, and a few places where they change.

Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic guarantees
of finding bugs", ASPLOS 2010. With n tasks and k steps an execution finds a bug of depth d with a
chance of at least 1 / (n * k**(d - 1)).

It departs from the paper in two things. k is not asked for: it is the longest execution so far, so
that the first one has no change points. And steps are choices, of which there are fewer: where one
task alone is ready, nothing can be decided.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.strategies.draws import Draws
from stress.strategy import Pending


class PCT:
    """A strategy without an end, for bugs of a depth of up to `depth`."""

    def __init__(self, seed: int, depth: int = 3) -> None:
        self._draws = Draws(seed)
        self._depth = depth
        self._execution = -1
        self._length = 0
        self._step = 0
        self._changes: dict[int, int] = {}
        self._priorities: dict[int, float] = {}

    def begin(self, execution: int) -> bool:
        """Draw the steps at which priorities change; those of tasks are drawn as they come."""
        if execution != self._execution:
            self._execution, self._length = execution, max(self._length, self._step)
        self._draws.begin(execution)
        self._step = 0
        self._priorities = {}
        # The later change gives the higher of the low priorities, as in the paper.
        self._changes = {
            1 + self._draws.below(self._length): -self._depth + number
            for number in range(self._depth - 1 if self._length else 0)
        }
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The task with the highest priority."""
        self._step += 1
        priorities = self._priorities
        for task in ready:
            if task not in priorities:
                priorities[task] = self._draws.fraction()
        chosen = max(ready, key=priorities.__getitem__)
        change = self._changes.get(self._step)
        if change is not None:
            priorities[chosen] = change
            chosen = max(ready, key=priorities.__getitem__)
        return chosen
