"""A program whose primitives are there before anything is explored."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from tests.stress.engine.programs import together

lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
semaphore = threading.Semaphore(1)
simple: queue.SimpleQueue[Any] = queue.SimpleQueue()
simple.put("first")
bounded: queue.Queue[int] = queue.Queue(1)
own = threading.local()
own.value = 5
total = 0


class Holder:
    """Locks in a class, an instance, a list, a slot, a default."""

    guard = threading.Lock()

    def __init__(self) -> None:
        self.attribute = threading.RLock()
        self.items = [threading.Lock()]


class Slotted:
    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot = threading.Lock()


holder, slotted, by_name = Holder(), Slotted(), {"one": threading.Lock()}
#: A tuple cannot be changed.
in_a_tuple = (threading.Lock(),)

PLACES: dict[str, Callable[[], Any]] = {
    "lock": lambda: lock,
    "rlock": lambda: rlock,
    "condition": lambda: condition,
    "semaphore": lambda: semaphore,
    "class": lambda: Holder.guard,
    "attribute": lambda: holder.attribute,
    "list": lambda: holder.items[0],
    "slot": lambda: slotted.slot,
    "dictionary": lambda: by_name["one"],
}


def counting(place: str) -> Callable[[], None]:
    """Two threads that count under the lock at this place."""

    def program() -> None:
        global total
        total = 0

        def work() -> None:
            global total
            with PLACES[place]():
                total += 1

        together(work, work)
        assert total == 2

    return program


def counting_by_default() -> None:
    """The lock is the default of an argument."""
    global total
    total = 0
    together(_count, _count)
    assert total == 2


def _count(guard: Any = threading.Lock()) -> None:  # noqa: B008
    global total
    with guard:
        total += 1


def counting_without() -> None:
    """The same without a lock: that it is wrong is seen."""
    global total
    total = 0

    def work() -> None:
        global total
        total += 1

    together(work, work)
    assert total == 2


def counting_under_a_tuple() -> None:
    global total
    total = 0

    def work() -> None:
        global total
        with in_a_tuple[0]:
            total += 1
        in_a_tuple[0].acquire()
        total += 1
        in_a_tuple[0].release()

    together(work, work)
    assert total == 4


def queues() -> None:
    assert simple.get() == "first"

    def fill() -> None:
        simple.put(1)
        bounded.put(1)
        bounded.put(2)

    thread = threading.Thread(target=fill)
    thread.start()
    assert simple.get() == 1
    assert bounded.get() + bounded.get() == 3
    thread.join()


def locals_() -> None:
    """The first task has what the thread had that explores; others begin with nothing."""
    assert own.value == 5
    seen: list[bool] = []

    def work() -> None:
        assert not hasattr(own, "value")
        own.value = mine = object()
        seen.append(own.value is mine)

    together(work, work)
    assert own.value == 5
    assert seen == [True, True]


class Mine(threading.local):
    """A local of a class of its own: no model can stand for it."""

    count = 0

    def __init__(self) -> None:
        self.items: list[int] = []


mine = Mine()
mine.items.append(77)


def native_locals() -> None:
    assert mine.items == [77]
    seen: list[tuple[list[int], int]] = []

    def work(number: int) -> None:
        mine.items.append(number)
        mine.count += 1
        seen.append((list(mine.items), mine.count))

    together(*[lambda number=number: work(number) for number in range(3)])  # type: ignore[misc]
    assert sorted(seen) == [([0], 1), ([1], 1), ([2], 1)]
    assert mine.items == [77]


class Stopping(logging.Handler):
    """Writes in two steps, under the lock of `logging`."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert self.written in ([], ["begun", "done"])
        self.written.append("begun")
        self.written.append("done")
        if len(self.written) == 4:
            self.written.clear()


logger = logging.getLogger("tests.stress.engine.made_before")
logger.propagate = False
logger.addHandler(Stopping())


def logs() -> None:
    together(lambda: logger.warning("one"), lambda: logger.warning("two"))
