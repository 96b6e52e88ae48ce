"""Random numbers for strategies: the same for the same seed and execution, whatever came before."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

#: How the 64 bytes of a hash become numbers of so many bits.
_NUMBERS = {bits: struct.Struct(form).unpack for bits, form in ((16, "<32H"), (32, "<16I"))}


class Draws:
    """Numbers from a hash of seed, execution and a counter: to begin costs a microsecond, where to
    seed a Mersenne Twister costs five.

    Of `bits`, 16 or 32: the fewer, the more of them come from one hash.
    """

    def __init__(self, seed: int, bits: int = 32) -> None:
        self._bits, self._range = bits, float(1 << bits)
        self._numbers = _NUMBERS[bits]
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
            return self._next() / self._range
        except StopIteration:
            return self._more() / self._range

    def below(self, end: int) -> int:
        """One of 0, 1, … end - 1. The chance of none is further from 1/end than 2**-bits."""
        try:
            return self._next() * end >> self._bits
        except StopIteration:
            return self._more() * end >> self._bits

    def _more(self) -> int:
        # A copy of what has begun costs half of a new one.
        drawn = self._hash.copy()
        drawn.update(b"%d/%d" % (self._execution, self._block))
        self._block += 1
        numbers = iter(self._numbers(drawn.digest()))
        self._next = numbers.__next__
        return int(self._next())
