"""Atomic variables. No target of explorations: each of their operations is one point."""

from __future__ import annotations

import threading


class Atomic:
    """A number that is looked at and changed in one step."""

    def __init__(self, value: int) -> None:
        self._value = value
        self._lock = threading.Lock()

    def load(self) -> int:
        with self._lock:
            return self._value

    def exchange(self, value: int) -> int:
        """Set it; gives what it was."""
        with self._lock:
            before, self._value = self._value, value
            return before

    def compare_exchange(self, expected: int, value: int) -> tuple[bool, int]:
        """Set it if it is what is expected; gives whether it was, and what it was."""
        with self._lock:
            before = self._value
            if before == expected:
                self._value = value
            return before == expected, before

    def add(self, number: int) -> None:
        with self._lock:
            self._value += number
