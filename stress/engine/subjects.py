"""Objects numbered by first use, the same in every execution with the same choices."""

from __future__ import annotations

import sys
import weakref
from itertools import islice
from typing import Any

#: Who holds an object that nobody else needs: the table, the loop variable, and the call.
_ONLY_US = 3
#: So many of what we hold are looked at in each step.
_SWEEP = 200


class Subjects:
    """Numbers objects for one execution.

    An address alone does not tell objects apart: it is used again. So objects are remembered by
    weak reference; lists and dictionaries, which have none, are held until nobody else does. They
    then end at a later step instead of at once.
    """

    __slots__ = ("_held", "_last", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._held: dict[int, Any] = {}
        self._last = 0

    def number(self, subject: object) -> int:
        """The number of an object, from 1; 0 for None."""
        if subject is None:
            return 0
        known = self._numbers.get(id(subject))
        if known is not None and (known[1] is None or known[1]() is subject):
            return known[0]
        reference = None
        try:
            reference = weakref.ref(subject)
        except TypeError:
            self.sweep()
            self._held[id(subject)] = subject
        self._last += 1
        self._numbers[id(subject)] = self._last, reference
        return self._last

    def known(self, subject: object) -> int:
        """The number that an object has; 0 where nobody has asked for it yet."""
        known = self._numbers.get(id(subject))
        return known[0] if known and (known[1] is None or known[1]() is subject) else 0

    def sweep(self) -> None:
        """Let go what only we hold."""
        if not self._held:
            return
        for key in list(islice(reversed(self._held), _SWEEP)):
            if sys.getrefcount(self._held[key]) < _ONLY_US:
                del self._numbers[key]
                del self._held[key]
