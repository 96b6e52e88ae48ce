"""Reads and writes that belong together, and are torn apart."""

from __future__ import annotations

import itertools
import threading

from tests.corpus.case import WRONG, Case, together


class Point:
    """Two coordinates that are always equal."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.x = self.y = 0

    def move(self, to: int) -> None:
        self.x = to
        self.y = to

    def move_carefully(self, to: int) -> None:
        with self.lock:
            self.move(to)

    def look(self) -> None:
        assert self.x == self.y

    def look_carefully(self) -> None:
        with self.lock:
            self.look()


def torn_point() -> None:
    point = Point()
    together(lambda: point.move(5), point.look)


def whole_point() -> None:
    point = Point()
    together(lambda: point.move_carefully(5), point.look_carefully)


class Ids:
    """Gives numbers, each once."""

    def __init__(self) -> None:
        self.last = 0
        self.numbers = itertools.count(1)

    def next(self) -> int:
        self.last += 1
        return self.last

    def next_of_count(self) -> int:
        return next(self.numbers)


def same_id_twice() -> None:
    ids, given = Ids(), []
    together(*[lambda: given.append(ids.next())] * 2)
    assert sorted(given) == [1, 2]


def every_id_once() -> None:
    ids, given = Ids(), []
    together(*[lambda: given.append(ids.next_of_count())] * 2)
    assert sorted(given) == [1, 2]


class Request:
    """Counts its instances."""

    count = 0
    lock = threading.Lock()

    def __init__(self, careful: bool) -> None:
        if careful:
            with Request.lock:
                Request.count += 1
        else:
            Request.count += 1


def counted_in_the_class() -> None:
    Request.count = 0
    together(*[lambda: Request(False)] * 2)
    assert Request.count == 2


def counted_under_the_lock_of_the_class() -> None:
    Request.count = 0
    together(*[lambda: Request(True)] * 2)
    assert Request.count == 2


def a_lock_for_each_call() -> None:
    """Everybody has a lock of their own."""
    box = [0]

    def work() -> None:
        with threading.Lock():
            box[0] += 1

    together(work, work)
    assert box == [2]


def one_lock_for_all_calls() -> None:
    box, lock = [0], threading.Lock()

    def work() -> None:
        with lock:
            box[0] += 1

    together(work, work)
    assert box == [2]


CASES = (
    Case(torn_point, WRONG, "torn.py:look", preemptions=1),
    Case(whole_point),
    Case(same_id_twice, WRONG, "torn.py:same_id_twice", preemptions=1),
    Case(every_id_once),
    Case(counted_in_the_class, WRONG, "torn.py:counted_in_the_class", preemptions=1),
    Case(counted_under_the_lock_of_the_class),
    Case(a_lock_for_each_call, WRONG, "torn.py:a_lock_for_each_call", preemptions=1),
    Case(one_lock_for_all_calls),
)
