"""How many requests a turn may make, its children's included."""

from __future__ import annotations

import threading


class IterationBudget:
    """A count that a parent and its children draw from, from any thread; never overdrawn."""

    def __init__(self, max_total: int) -> None:
        self.max_total = max_total
        self._used = 0
        self._lock = threading.Lock()

    def consume(self) -> bool:
        """Take one iteration; False where none is left."""
        with self._lock:
            if self._used >= self.max_total:
                return False
            self._used += 1
            return True

    def refund(self) -> None:
        """Give one iteration back."""
        with self._lock:
            self._used = max(0, self._used - 1)

    @property
    def used(self) -> int:
        """How many are taken."""
        with self._lock:
            return self._used

    @property
    def remaining(self) -> int:
        """How many are left."""
        with self._lock:
            return max(0, self.max_total - self._used)
