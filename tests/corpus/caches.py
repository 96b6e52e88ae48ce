"""Caches and other look-ups that are filled when something is missing."""

from __future__ import annotations

import threading

from tests.corpus.case import WRONG, Case, together


class Cache:
    """Makes a value when it is first asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: dict[str, int] = {}
        self.made = 0

    def make(self, key: str) -> int:
        self.made += 1
        return len(key)

    def get(self, key: str) -> int:
        if key not in self.values:
            self.values[key] = self.make(key)
        return self.values[key]

    def get_carefully(self, key: str) -> int:
        with self.lock:
            if key not in self.values:
                self.values[key] = self.make(key)
            return self.values[key]


def filled_twice() -> None:
    cache = Cache()
    together(lambda: cache.get("key"), lambda: cache.get("key"))
    assert cache.made == 1


def filled_once() -> None:
    cache = Cache()
    together(lambda: cache.get_carefully("key"), lambda: cache.get_carefully("key"))
    assert cache.made == 1


class Bounded:
    """Evicts the oldest entry when it is full."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries = {"old": 0}

    def evict(self) -> None:
        if len(self.entries) > 0:
            oldest = next(iter(self.entries))
            del self.entries[oldest]

    def evict_carefully(self) -> None:
        with self.lock:
            self.evict()


def evicted_twice() -> None:
    cache = Bounded()
    together(cache.evict, cache.evict)


def evicted_once() -> None:
    cache = Bounded()
    together(cache.evict_carefully, cache.evict_carefully)
    assert not cache.entries


CASES = (
    Case(filled_twice, WRONG, "caches.py:filled_twice", preemptions=1),
    Case(filled_once),
    Case(evicted_twice, WRONG, "caches.py:evict", preemptions=1),
    Case(evicted_once),
)
