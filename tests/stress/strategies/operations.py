"""Small things that tasks may do to what they share; of them programs are drawn at random."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Shared:
    """What the tasks of one execution touch."""

    def __init__(self) -> None:
        self.box = 0
        self.items: list[int] = []
        self.names: dict[str, int] = {}
        self.numbers: set[int] = set()
        self.lock = threading.Lock()
        self.recursive = threading.RLock()
        self.event = threading.Event()
        self.permits = threading.BoundedSemaphore(1)
        self.queue: queue.SimpleQueue[int] = queue.SimpleQueue()


Operation = Callable[[Shared, int], object]


def read(shared: Shared, me: int) -> object:
    return shared.box


def write(shared: Shared, me: int) -> object:
    shared.box = me
    return None


def add(shared: Shared, me: int) -> object:
    shared.box += 1
    return None


def guarded(shared: Shared, me: int) -> object:
    """Does something else where another one was there before."""
    if shared.box != me:
        shared.items.append(me)
    return None


def append(shared: Shared, me: int) -> object:
    shared.items.append(me)
    return None


def length(shared: Shared, me: int) -> object:
    return len(shared.items)


def name(shared: Shared, me: int) -> object:
    shared.names["last"] = me
    return None


def named(shared: Shared, me: int) -> object:
    return shared.names.get("last")


def number(shared: Shared, me: int) -> object:
    shared.numbers.add(me)
    return len(shared.numbers)


def locked(shared: Shared, me: int) -> object:
    with shared.lock:
        shared.box += 1
        return shared.box


def twice_locked(shared: Shared, me: int) -> object:
    with shared.recursive, shared.recursive:
        shared.items.append(me)
    return None


def tried(shared: Shared, me: int) -> object:
    if shared.lock.acquire(blocking=False):
        shared.lock.release()
        return "free"
    return "taken"


def limited(shared: Shared, me: int) -> object:
    with shared.permits:
        shared.items.append(me)
        return len(shared.items)


def give(shared: Shared, me: int) -> object:
    shared.queue.put(me)
    return None


def take(shared: Shared, me: int) -> object:
    return shared.queue.get()


def try_to_take(shared: Shared, me: int) -> object:
    try:
        return shared.queue.get_nowait()
    except queue.Empty:
        return "empty"


def set_it(shared: Shared, me: int) -> object:
    shared.event.set()
    return None


def clear(shared: Shared, me: int) -> object:
    shared.event.clear()
    return None


def wait(shared: Shared, me: int) -> object:
    return shared.event.wait()


OPERATIONS = (
    read, write, add, guarded, append, length, name, named, number, locked, twice_locked, tried,
    limited, give, take, try_to_take, set_it, clear, wait,
)  # fmt: skip
