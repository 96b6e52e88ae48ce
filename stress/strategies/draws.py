"""Random numbers for strategies: the same for the same seed and execution, whatever came before."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

_NUMBERS = struct.Struct("<16I").unpack
_RANGE = 1 << 32


class Draws:
    """Numbers from a hash of seed, execution and a counter: to begin costs a microsecond, where to
    seed a Mersenne Twister costs five."""

    def __init__(self, seed: int) -> None:
        self._hash = hashlib.blake2b(f"{seed}/".encode())
        self._execution = self._block = 0
        self._next: Callable[[], int] = self._more

    def begin(self, execution: int) -> None:
        """Seed this execution."""
        self._execution, self._block = execution, 0
        self._next = self._more

    def fraction(self) -> float:
        """From 0 to 1, without 1."""
        try:
            return self._next() / _RANGE
        except StopIteration:
            return self._more() / _RANGE

    def below(self, end: int) -> int:
        """One of 0, 1, … end - 1. The chance of none is further from 1/end than 2**-32."""
        try:
            return self._next() * end >> 32
        except StopIteration:
            return self._more() * end >> 32

    def _more(self) -> int:
        drawn = self._hash.copy()
        drawn.update(b"%d/%d" % (self._execution, self._block))
        self._block += 1
        numbers = iter(_NUMBERS(drawn.digest()))
        self._next = numbers.__next__
        return int(self._next())
