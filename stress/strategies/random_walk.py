"""Random walk: at every choice, each ready task is as likely as any other.

The baseline of the field: it found 43 of the 49 programs of SCTBench within 100,000 schedules
(Thomson, Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016), and
collapses as tasks grow.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from stress.strategy import Pending


class RandomWalk:
    """A strategy without an end. Execution i of seed s makes the same choices as ever."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random()
        self._draw = self._random.random

    def begin(self, execution: int) -> bool:
        """Seed this execution: by a number, which is half as dear as by a text."""
        self._random.seed(self._seed << 64 | execution)
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """Any of them."""
        return ready[int(self._draw() * len(ready))]
