"""Random walk: at every choice, each ready task is as likely as any other.

The baseline of the field: it found 43 of the 49 programs of SCTBench within 100,000 schedules
(Thomson, Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016), and
collapses as tasks grow.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.strategies.draws import Draws
from stress.strategy import Pending


class RandomWalk:
    """A strategy without an end. Execution i of seed s makes the same choices as ever.

    Of n tasks the chance of none is further from 1/n than 2**-16.
    """

    def __init__(self, seed: int) -> None:
        self._draws = Draws(seed, bits=16)
        self._below = self._draws.below

    def begin(self, execution: int) -> bool:
        """Seed this execution."""
        self._draws.begin(execution)
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """Any of them."""
        return ready[self._below(len(ready))]
