"""Random walk: at every choice, each ready task is as likely as any other.

The baseline of the field: it found 43 of the 49 programs of SCTBench within 100,000 schedules
(Thomson, Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016), and
collapses as tasks grow.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence

from stress.strategy import Pending

_BITS = 16
_NUMBERS = struct.Struct("<32H").unpack


class RandomWalk:
    """A strategy without an end. Execution i of seed s makes the same choices as ever.

    Its numbers come from a hash of seed, execution and a counter: to begin costs a microsecond,
    where to seed a Mersenne Twister costs five. Of n tasks the chance of none is further from 1/n
    than n/65536 of that.
    """

    def __init__(self, seed: int) -> None:
        self._hash = hashlib.blake2b(f"{seed}/".encode())
        self._execution = self._block = 0
        self._next: Callable[[], int] = self._draw_more

    def begin(self, execution: int) -> bool:
        """Seed this execution."""
        self._execution, self._block = execution, 0
        self._next = self._draw_more
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """Any of them."""
        try:
            drawn = self._next()
        except StopIteration:
            drawn = self._draw_more()
        return ready[drawn * len(ready) >> _BITS]

    def _draw_more(self) -> int:
        # A copy of what has begun costs half of a new one.
        drawn = self._hash.copy()
        drawn.update(b"%d/%d" % (self._execution, self._block))
        self._block += 1
        numbers = iter(_NUMBERS(drawn.digest()))
        self._next = numbers.__next__
        return int(self._next())
