"""Dictionaries, lists and deques that change under somebody's eyes."""

from __future__ import annotations

import threading
from collections import defaultdict, deque

from tests.corpus.case import WRONG, Case, together


class Registry:
    """Listeners by name."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listeners = {"a": 1, "b": 2}

    def total(self) -> int:
        found = 0
        for name in self.listeners:
            found += self.listeners[name]
        return found

    def total_carefully(self) -> int:
        with self.lock:
            return self.total()

    def remove(self) -> None:
        self.listeners.pop("b")

    def remove_carefully(self) -> None:
        with self.lock:
            self.remove()


def removed_while_summed() -> None:
    registry = Registry()
    together(registry.total, registry.remove)


def removed_before_or_after() -> None:
    registry = Registry()
    together(registry.total_carefully, registry.remove_carefully)


def counted_in_a_defaultdict() -> None:
    counts: defaultdict[str, int] = defaultdict(int)

    def work() -> None:
        counts["seen"] += 1

    together(work, work)
    assert counts["seen"] == 2


def counted_under_a_lock() -> None:
    counts: defaultdict[str, int] = defaultdict(int)
    lock = threading.Lock()

    def work() -> None:
        with lock:
            counts["seen"] += 1

    together(work, work)
    assert counts["seen"] == 2


def removed_after_a_look() -> None:
    """Asks whether it is there, and takes it out a step later."""
    waiting = ["job"]

    def work() -> None:
        if "job" in waiting:
            waiting.remove("job")

    together(work, work)


def removed_or_not_there() -> None:
    waiting = ["job"]

    def work() -> None:
        try:
            waiting.remove("job")
        except ValueError:
            pass

    together(work, work)
    assert not waiting


class History:
    """The last two entries; what falls out is archived."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.last: deque[int] = deque([1, 2], maxlen=2)
        self.archived: list[int] = []

    def add(self, entry: int) -> None:
        if len(self.last) == self.last.maxlen:
            self.archived.append(self.last[0])
        self.last.append(entry)

    def add_carefully(self, entry: int) -> None:
        with self.lock:
            self.add(entry)


def archived_twice() -> None:
    history = History()
    together(lambda: history.add(3), lambda: history.add(4))
    assert history.archived == [1, 2]


def archived_once() -> None:
    history = History()
    together(lambda: history.add_carefully(3), lambda: history.add_carefully(4))
    assert history.archived == [1, 2]


CASES = (
    Case(removed_while_summed, WRONG, "collections_.py:total", preemptions=1),
    Case(removed_before_or_after),
    Case(
        counted_in_a_defaultdict, WRONG, "collections_.py:counted_in_a_defaultdict", preemptions=1
    ),
    Case(counted_under_a_lock),
    Case(removed_after_a_look, WRONG, "collections_.py:work", preemptions=1),
    Case(removed_or_not_there),
    Case(archived_twice, WRONG, "collections_.py:archived_twice", preemptions=1),
    Case(archived_once),
)
