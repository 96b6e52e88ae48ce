"""Programs whose locks are made by a function that was taken before the exploration."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

make_lock, make_rlock = threading.Lock, threading._CRLock  # type: ignore[attr-defined]


@dataclass
class Locked:
    """The usual way to have a lock in a dataclass."""

    lock: Any = field(default_factory=threading.Lock)
    value: int = 0


class Maker:
    """Has it as an attribute of the class, and each one has it too."""

    of_class = staticmethod(threading.Lock)

    def __init__(self) -> None:
        self.of_instance = threading.Lock


def closed_over(make: Callable[[], Any]) -> Callable[[], Any]:
    """Has it in a cell."""
    return lambda: make()


def by_default(make: Callable[[], Any] = threading.Lock) -> Any:
    """Has it for a default."""
    return make()


#: Ways to come to a lock, whose maker somebody has kept.
WAYS: dict[str, Callable[[], Any]] = {
    "name": lambda: make_lock(),
    "dataclass": lambda: Locked().lock,
    "class": lambda: Maker.of_class(),
    "instance": lambda: maker.of_instance(),
    "closure": closed_over(threading.Lock),
    "default": by_default,
    "list": lambda: in_a_list[0](),
    "tuple": lambda: in_a_tuple[0](),
    "partial": functools.partial(threading.Lock),
    "rlock in a tuple": lambda: in_a_tuple[1](),
}
maker = Maker()
in_a_list = [threading.Lock]
in_a_tuple = (threading.Lock, make_rlock)


def counting(way: str, *, locked: bool = True) -> Callable[[], None]:
    """Two threads count under a lock that is made in this way; the first one begins it alone."""

    def program() -> None:
        lock = WAYS[way]()
        counter = Locked(lock=None)

        def count() -> None:
            if locked:
                lock.acquire()
                counter.value += 1
                lock.release()
                with lock:
                    counter.value += 1
            else:
                counter.value += 2

        lock.acquire()
        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        counter.value += 0
        lock.release()
        for thread in threads:
            thread.join()
        assert counter.value == 4

    return program


def sleepy(sleep: Callable[[float], None] = time.sleep) -> None:
    """Would take an hour, by a function that was taken before."""
    seen = []

    def nap() -> None:
        sleep(3600.0)
        seen.append(1)

    threads = [threading.Thread(target=nap) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1]
