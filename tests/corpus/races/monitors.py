"""Objects that keep themselves: latches, queues and locks made by hand, and those who use them."""

from __future__ import annotations

import threading
from collections import deque

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree


class Stock:
    """A monitor: every public method has the lock, what they call inside has not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces = {"pen": 3, "ink": 1}

    def take(self, item: str) -> bool:
        with self._lock:
            if not self._has(item):
                return False
            self._change(item, -1)
            return True

    def bring(self, item: str) -> None:
        with self._lock:
            self._change(item, 1)

    def _has(self, item: str) -> bool:
        return self._pieces[item] > 0

    def _change(self, item: str, by: int) -> None:
        self._pieces[item] += by


def race_free_monitor() -> None:
    stock = Stock()
    together(lambda: stock.take("ink"), lambda: stock.take("ink"), lambda: stock.bring("ink"))


class Latch:
    """Opens when so many have come."""

    def __init__(self, missing: int) -> None:
        self.changed = threading.Condition()
        self.missing = missing

    def come(self) -> None:
        with self.changed:
            self.missing -= 1
            if self.missing == 0:
                self.changed.notify_all()

    def wait(self) -> None:
        with self.changed:
            while self.missing:
                self.changed.wait()


def race_free_latch() -> None:
    parts, latch = [0, 0], Latch(2)

    def work(me: int) -> None:
        parts[me] = me + 1
        latch.come()

    def wait() -> None:
        latch.wait()
        sum(parts)

    together(lambda: work(0), lambda: work(1), wait)


class Bounded:
    """A queue of one place."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: deque[list[int]] = deque()

    def put(self, item: list[int]) -> None:
        with self.changed:
            while len(self.items) >= 1:
                self.changed.wait()
            self.items.append(item)
            self.changed.notify_all()

    def get(self) -> list[int]:
        with self.changed:
            while not self.items:
                self.changed.wait()
            item = self.items.popleft()
            self.changed.notify_all()
            return item


def race_free_bounded_queue() -> None:
    """What comes out of it belongs to whoever got it."""
    bounded = Bounded()

    def make() -> None:
        item = [1]
        item[0] += 1
        bounded.put(item)

    def use() -> None:
        item = bounded.get()
        item[0] += 1

    together(make, use)


def race_free_several_puts() -> None:
    """What is put by one in turn need not stay together."""
    bounded = Bounded()

    def make() -> None:
        bounded.put([1])
        bounded.put([2])

    def use() -> None:
        bounded.get()
        bounded.get()

    together(make, use)


class Tasks:
    """A queue with a lock, which is empty at times."""

    def __init__(self, *items: int) -> None:
        self.lock = threading.Lock()
        self.items = list(items)

    def take(self) -> int | None:
        with self.lock:
            return self.items.pop() if self.items else None

    def put(self, item: int) -> None:
        with self.lock:
            self.items.append(item)


def race_free_two_takes() -> None:
    """Takes two in turn, and these need not be neighbours."""
    tasks = Tasks(1, 2, 3, 4)

    def work() -> int:
        first = tasks.take() or 0
        second = tasks.take() or 0
        return first + second

    together(work, work)


def race_free_worker_loop() -> None:
    tasks, done = Tasks(1, 2, 3), [0, 0]

    def work(me: int) -> None:
        while (task := tasks.take()) is not None:
            done[me] += task

    together(lambda: work(0), lambda: work(1))


def race_free_task_that_makes_a_task() -> None:
    """Takes one, and puts one that is made of it."""
    tasks = Tasks(4, 5)

    def work() -> None:
        task = tasks.take()
        if task is not None:
            tasks.put(task // 2)

    together(work, work)


class ReadersAndWriter:
    """Many readers, or one writer."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.readers = 0

    def begin_to_read(self) -> None:
        with self.changed:
            self.readers += 1

    def end_to_read(self) -> None:
        with self.changed:
            self.readers -= 1
            self.changed.notify_all()

    def begin_to_write(self) -> None:
        """Keeps the lock until it ends to write."""
        self.changed.acquire()
        while self.readers:
            self.changed.wait()

    def end_to_write(self) -> None:
        self.changed.release()


def race_free_readers_and_writer() -> None:
    lock, text = ReadersAndWriter(), ["old"]

    def read() -> None:
        lock.begin_to_read()
        text[0].upper()
        lock.end_to_read()

    def write() -> None:
        lock.begin_to_write()
        text[0] = text[0] + "er"
        lock.end_to_write()

    together(read, write)


class Turnstile:
    """Two go in turn, by a number that says whose turn it is."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.turn = 0

    def wait_for(self, me: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.turn == me)

    def give_to(self, other: int) -> None:
        with self.changed:
            self.turn = other
            self.changed.notify_all()


def race_free_turns() -> None:
    turnstile, word = Turnstile(), [""]

    def work(me: int) -> None:
        turnstile.wait_for(me)
        word[0] += str(me)
        turnstile.give_to(1 - me)

    together(lambda: work(0), lambda: work(1))


class Once:
    """Others wait until the first one has done it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_done = False
        self.value: list[int] = []

    def get(self) -> list[int]:
        with self.lock:
            if not self.is_done:
                self.value = [1, 2]
                self.is_done = True
        return self.value


def race_free_once() -> None:
    """The value is read without the lock, and after it: nobody writes it any more."""
    once = Once()
    together(once.get, once.get)


RACE_FREE = (
    RaceFree(race_free_monitor),
    RaceFree(race_free_latch),
    RaceFree(race_free_bounded_queue),
    RaceFree(race_free_several_puts),
    RaceFree(race_free_two_takes),
    RaceFree(race_free_worker_loop),
    RaceFree(race_free_task_that_makes_a_task),
    RaceFree(race_free_readers_and_writer),
    RaceFree(race_free_turns),
    RaceFree(race_free_once),
)
