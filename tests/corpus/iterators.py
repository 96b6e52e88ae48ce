"""Iterators and generators that threads share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from tests.corpus.case import WRONG, Case, together

T = TypeVar("T")


class Countdown:
    """An iterator in Python: its next is no single step."""

    def __init__(self, start: int) -> None:
        self.left = start

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        if self.left <= 0:
            raise StopIteration
        number = self.left
        self.left = number - 1
        return number


class Locked(Generic[T]):
    """An iterator for several threads."""

    def __init__(self, iterator: Iterator[T]) -> None:
        self.lock = threading.Lock()
        self.iterator = iterator

    def __iter__(self) -> Locked[T]:
        return self

    def __next__(self) -> T:
        with self.lock:
            return next(self.iterator)


def numbers(box: list[int]) -> Iterator[int]:
    while box[0] < 4:
        box[0] += 1
        yield box[0]


def drained(iterator: Iterator[int]) -> list[int]:
    taken: list[int] = []

    def work() -> None:
        for number in iterator:
            taken.append(number)

    together(work, work)
    return sorted(taken)


def shared_iterator() -> None:
    assert drained(Countdown(3)) == [1, 2, 3]


def locked_iterator() -> None:
    assert drained(Locked(Countdown(3))) == [1, 2, 3]


def shared_generator() -> None:
    """Who asks while another is inside is told that it executes already."""
    drained(numbers([0]))


def locked_generator() -> None:
    assert drained(Locked(numbers([0]))) == [1, 2, 3, 4]


CASES = (
    Case(shared_iterator, WRONG, "iterators.py:shared_iterator", preemptions=1),
    Case(locked_iterator),
    Case(shared_generator, WRONG, "generator already executing", preemptions=1),
    Case(locked_generator),
)
