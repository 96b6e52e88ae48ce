"""Locks for many readers or one writer, made by hand."""

from __future__ import annotations

import threading

from tests.corpus.case import DEADLOCK, WRONG, Case, together


class ReadersWriter:
    """The first reader shuts writers out, the last one lets them in."""

    def __init__(self) -> None:
        self.counting = threading.Lock()
        self.writing = threading.Lock()
        self.readers = 0

    def enter(self) -> None:
        """Counts without a lock: two may be the first."""
        self.readers += 1
        if self.readers == 1:
            self.writing.acquire()

    def leave(self) -> None:
        self.readers -= 1
        if self.readers == 0:
            self.writing.release()

    def enter_carefully(self) -> None:
        with self.counting:
            self.enter()

    def leave_carefully(self) -> None:
        with self.counting:
            self.leave()


def readers_counted_without() -> None:
    lock = ReadersWriter()

    def read() -> None:
        lock.enter()
        lock.leave()

    together(read, read)
    assert lock.readers == 0
    assert not lock.writing.locked()


def readers_counted_with() -> None:
    lock = ReadersWriter()
    value = [0, 0]

    def read() -> None:
        lock.enter_carefully()
        try:
            assert value[0] == value[1]
        finally:
            lock.leave_carefully()

    def write() -> None:
        with lock.writing:
            value[0] = 1
            value[1] = 1

    together(read, read, write)


class Upgradable:
    """Readers that may become the writer, once the others are gone."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.readers = 0
        self.upgrading = False

    def read(self) -> None:
        with self.changed:
            self.readers += 1

    def done(self) -> None:
        with self.changed:
            self.readers -= 1
            self.changed.notify_all()

    def upgrade(self) -> None:
        """Two that want it wait for each other to be gone."""
        with self.changed:
            while self.readers > 1:
                self.changed.wait()

    def try_to_upgrade(self) -> bool:
        with self.changed:
            if self.upgrading:
                return False
            self.upgrading = True
            while self.readers > 1:
                self.changed.wait()
            self.upgrading = False
            return True


def both_upgrade() -> None:
    lock = Upgradable()

    def work() -> None:
        lock.read()
        lock.upgrade()
        lock.done()

    together(work, work)


def one_upgrades() -> None:
    lock = Upgradable()

    def work() -> None:
        lock.read()
        lock.try_to_upgrade()
        lock.done()

    together(work, work)


CASES = (
    Case(readers_counted_without, WRONG, "readers.py:", preemptions=2, also=DEADLOCK),
    Case(readers_counted_with),
    Case(both_upgrade, DEADLOCK, "readers.py:upgrade", preemptions=1),
    Case(one_upgrades),
)
