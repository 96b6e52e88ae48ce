"""Small threaded programs: each wrong one beside its repaired twin."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def together(*works: Callable[[], object]) -> None:
    """Run each on a thread of its own, to the end of all."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lost_update() -> None:
    """Reads and writes under the lock, but not both under one hold."""
    lock, box = threading.Lock(), [0]

    def work() -> None:
        with lock:
            seen = box[0]
        with lock:
            box[0] = seen + 1

    together(work, work)
    assert box == [2]


def kept_update() -> None:
    lock, box = threading.Lock(), [0]

    def work() -> None:
        with lock:
            box[0] += 1

    together(work, work)
    assert box == [2]


def crossed_locks() -> None:
    first, second = threading.Lock(), threading.Lock()

    def work(one: threading.Lock, other: threading.Lock) -> None:
        with one:
            with other:
                pass

    together(lambda: work(first, second), lambda: work(second, first))


def ordered_locks() -> None:
    first, second = threading.Lock(), threading.RLock()

    def work() -> None:
        with first, second, second:
            pass

    together(work, work)


def lost_wake_up() -> None:
    """Looks, and waits only then: the notification may have come between."""
    condition, filled = threading.Condition(), []

    def consumer() -> None:
        with condition:
            empty = not filled
        if empty:
            with condition:
                condition.wait()

    def producer() -> None:
        with condition:
            filled.append(1)
            condition.notify()

    together(consumer, producer)


def kept_wake_up() -> None:
    condition, filled = threading.Condition(), []

    def consumer() -> None:
        with condition:
            condition.wait_for(lambda: filled)

    def producer() -> None:
        with condition:
            filled.append(1)
            condition.notify()

    together(consumer, producer)


def early_event() -> None:
    """Says that it is ready before it is."""
    ready, value = threading.Event(), []

    def setter() -> None:
        ready.set()
        value.append(1)

    def reader() -> None:
        ready.wait()
        assert value == [1]

    together(setter, reader)


def late_event() -> None:
    ready, value = threading.Event(), []

    def setter() -> None:
        value.append(1)
        ready.set()

    def reader() -> None:
        ready.wait()
        assert value == [1]

    together(setter, reader)


def bounded_queue() -> None:
    channel: queue.Queue[int] = queue.Queue(1)
    taken: list[int] = []

    def consumer() -> None:
        for _ in range(3):
            taken.append(channel.get())
            channel.task_done()

    thread = threading.Thread(target=consumer)
    thread.start()
    for number in range(3):
        channel.put(number)
    channel.join()
    thread.join()
    assert taken == [0, 1, 2]


def pool() -> None:
    with ThreadPoolExecutor(3) as executor:
        assert list(executor.map(lambda number: number**2, range(4))) == [0, 1, 4, 9]


def pool_left_open() -> None:
    executor = ThreadPoolExecutor(2)
    executor.submit(threading.get_ident)
    executor.submit(threading.get_ident)


def sleepers() -> None:
    """An hour of sleep, and the order that the clock gives it."""
    order: list[int] = []

    def work(hours: int) -> None:
        time.sleep(3600 * hours)
        order.append(hours)

    began = time.monotonic()
    together(lambda: work(3), lambda: work(1), lambda: work(2))
    assert order == [1, 2, 3]
    assert round(time.monotonic() - began, 3) == 3 * 3600


def nested() -> None:
    """Threads that start threads; locals and identities of their own."""
    own = threading.local()
    seen: list[tuple[str, int]] = []

    def inner() -> None:
        assert not hasattr(own, "value")
        seen.append((threading.current_thread().name, threading.get_ident()))

    def outer() -> None:
        own.value = 1
        thread = threading.Thread(target=inner, name="inner")
        thread.start()
        thread.join()
        assert own.value == 1
        seen.append((threading.current_thread().name, threading.get_ident()))

    together(outer, outer)
    assert sorted(name for name, _ in seen)[2:] == ["inner", "inner"]
    assert len({ident for _, ident in seen}) == 4
    assert threading.active_count() == 1


class Account:
    """Shared state with and without care."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.balance = 0
        self.log: list[str] = []

    def pay(self) -> None:
        self.balance += 1

    def pay_carefully(self) -> None:
        with self.lock:
            self.balance += 1

    def open(self) -> None:
        if not self.log:
            self.log.append("opened")

    def open_carefully(self) -> None:
        with self.lock:
            if not self.log:
                self.log.append("opened")


def lost_attribute() -> None:
    account = Account()
    together(account.pay, account.pay)
    assert account.balance == 2


def kept_attribute() -> None:
    account = Account()
    together(account.pay_carefully, account.pay_carefully)
    assert account.balance == 2


def check_then_act() -> None:
    account = Account()
    together(account.open, account.open)
    assert account.log == ["opened"]


def check_and_act() -> None:
    account = Account()
    together(account.open_carefully, account.open_carefully)
    assert account.log == ["opened"]


total = 0


def lost_global() -> None:
    global total
    total = 0

    def work() -> None:
        global total
        total += 1

    together(work, work)
    assert total == 2


def lost_cell() -> None:
    count = 0

    def work() -> None:
        nonlocal count
        count += 1

    together(work, work)
    assert count == 2


def lost_item() -> None:
    counts = {"a": 0}

    def work() -> None:
        counts["a"] += 1

    together(work, work)
    assert counts == {"a": 2}


def iteration_over_what_changes() -> None:
    table = {1: 1, 2: 2}

    def walk() -> None:
        for _ in table:
            pass

    def grow() -> None:
        table[3] = 3

    together(walk, grow)


def iteration_over_a_copy() -> None:
    table = {1: 1, 2: 2}

    def walk() -> None:
        for _ in list(table):
            pass

    def grow() -> None:
        table[3] = 3

    together(walk, grow)


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


def lost_slot() -> None:
    shared = Slotted()

    def work() -> None:
        shared.value += 1

    together(work, work)
    assert shared.value == 2


def grown_while_counted() -> None:
    """The length is taken before the append, and somebody else's append may come between."""
    numbers: list[int] = []

    def work() -> None:
        numbers.append(len(numbers))

    together(work, work)
    assert numbers == [0, 1]


WRONG = (
    lost_update, crossed_locks, lost_wake_up, early_event, lost_attribute, check_then_act,
    lost_global, lost_cell, lost_item, iteration_over_what_changes, lost_slot,
    grown_while_counted,
)  # fmt: skip
RIGHT = (
    kept_update, ordered_locks, kept_wake_up, late_event, bounded_queue, pool, pool_left_open,
    sleepers, nested, kept_attribute, check_and_act, iteration_over_a_copy,
)  # fmt: skip
