"""The programs that both the engine and its peer execute: the same source for the two.

Each is a set-up, workers that get what it made, and an invariant that always holds: what is
measured is how fast executions are, not how soon a bug is found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any


class Counter:
    """A number that anybody may change."""

    def __init__(self) -> None:
        self.value = 0


def increment(counter: Counter) -> None:
    """A lost update waits to happen."""
    seen = counter.value
    counter.value = seen + 1


class LockedCounter:
    """A number with a lock."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def increment_locked(counter: LockedCounter) -> None:
    """Three increments, each under the lock."""
    for _ in range(3):
        with counter.lock:
            counter.value += 1


class Buffer:
    """Items behind a condition variable."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: list[int] = []
        self.taken: list[int] = []


def produce(buffer: Buffer) -> None:
    """Two items."""
    for number in range(2):
        with buffer.changed:
            buffer.items.append(number)
            buffer.changed.notify()


def consume(buffer: Buffer) -> None:
    """Two items."""
    for _ in range(2):
        with buffer.changed:
            while not buffer.items:
                buffer.changed.wait()
            buffer.taken.append(buffer.items.pop())


class Squares:
    """Where results come."""

    def __init__(self) -> None:
        self.found: list[int] = []


def square(number: int) -> int:
    """Its square."""
    return number * number


def map_in_a_pool(squares: Squares) -> None:
    """Three jobs for two threads."""
    with ThreadPoolExecutor(2) as pool:
        squares.found = list(pool.map(square, range(3)))


def look_on(squares: Squares) -> None:
    """A second worker, as the peer wants two."""


def work_alone_and_add(counter: Counter) -> None:
    """About two thousand bytecodes, and three of its additions can be lost."""
    total = 0
    for number in range(132):
        total += number * 2
        if number % 44 == 43:
            counter.value += total


def always(state: Any) -> bool:
    """The invariant of them all."""
    return True


@dataclass(frozen=True)
class Program:
    """What both sides are given. `random_options` is what the peer's random strategy needs more."""

    name: str
    setup: Callable[[], Any]
    workers: tuple[Callable[[Any], None], ...]
    random_options: dict[str, Any] = field(default_factory=dict)


PROGRAMS = {
    program.name: program
    for program in (
        Program("lost update", Counter, (increment, increment)),
        Program("3 threads × 3 locked", LockedCounter, (increment_locked,) * 3),
        Program("condition buffer", Buffer, (produce, consume)),
        Program("pool map", Squares, (map_in_a_pool, look_on)),
        # With its default of 300 the peer ends without a verdict.
        Program("4 × 2,000 bytecodes", Counter, (work_alone_and_add,) * 4, {"max_ops": 3000}),
    )
}


def small_program() -> None:
    """Threads, a condition and a pool: for what must not grow over many executions."""
    buffer = Buffer()
    threads = [threading.Thread(target=work, args=(buffer,)) for work in (produce, consume)]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(square, 2).result()
    for thread in threads:
        thread.join()
