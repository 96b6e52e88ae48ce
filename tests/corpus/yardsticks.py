"""The programs by which the field measures strategies, from their meaning, each with its twin.

They are those of SCTBench (Thomson, Donaldson, Betts: "Concurrency testing using controlled
schedulers", TOPC 2016) that Python can express; those with many threads are made by the functions
that take a number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.corpus.case import WRONG, Case, together


class Pair:
    def __init__(self) -> None:
        self.a = self.b = 0
        self.lock = threading.Lock()

    def put(self) -> None:
        self.a = 1
        self.b = -1

    def check(self) -> None:
        a, b = self.a, self.b
        assert (a, b) in ((0, 0), (1, -1)), "half of it"

    def put_under_the_lock(self) -> None:
        with self.lock:
            self.put()

    def check_under_the_lock(self) -> None:
        with self.lock:
            self.check()


def reorder(setters: int, *, locked: bool = False) -> Callable[[], None]:
    """Setters write a, then b, and a checker sees half of it."""

    def program() -> None:
        pair = Pair()
        put = pair.put_under_the_lock if locked else pair.put
        together(*[put] * setters, pair.check_under_the_lock if locked else pair.check)

    return program


def reorder_of_two_setters() -> None:
    reorder(2)()


def reorder_under_a_lock() -> None:
    reorder(2, locked=True)()


class Stages:
    """The second value is made of the first, under another lock."""

    def __init__(self) -> None:
        self.first = self.second = 0
        self.lock_of_first, self.lock_of_second = threading.Lock(), threading.Lock()

    def write(self) -> None:
        with self.lock_of_first:
            self.first = 1
        with self.lock_of_second:
            self.second = self.first + 1

    def write_at_once(self) -> None:
        with self.lock_of_second, self.lock_of_first:
            self.first = 1
            self.second = self.first + 1

    def read(self) -> None:
        with self.lock_of_first:
            first = self.first
        if first:
            with self.lock_of_second:
                assert self.second == first + 1, "the second stage is not there yet"


def twostage(writers: int) -> Callable[[], None]:
    """A reader looks between the two stages of a writer."""

    def program() -> None:
        stages = Stages()
        together(*[stages.write] * writers, stages.read)

    return program


def twostage_of_one_writer() -> None:
    twostage(1)()


def two_stages_at_once() -> None:
    stages = Stages()
    together(stages.write_at_once, stages.read)


class StringBuffer:
    def __init__(self, text: str) -> None:
        self.letters = list(text)
        self.lock = threading.RLock()

    def length(self) -> int:
        with self.lock:
            return len(self.letters)

    def copy(self, count: int) -> list[str]:
        with self.lock:
            if count > len(self.letters):
                raise IndexError(f"{count} letters of {len(self.letters)}")
            return self.letters[:count]

    def erase(self) -> None:
        with self.lock:
            self.letters.clear()

    def append(self, other: StringBuffer) -> None:
        with self.lock:
            self.letters += other.copy(other.length())

    def append_carefully(self, other: StringBuffer) -> None:
        with self.lock, other.lock:
            self.letters += other.copy(other.length())


def string_buffer() -> None:
    """The length of another buffer and its letters are got in two calls."""
    source, target = StringBuffer("abc"), StringBuffer("")
    together(lambda: target.append(source), source.erase)


def string_buffer_locked_for_both() -> None:
    source, target = StringBuffer("abc"), StringBuffer("")
    together(lambda: target.append_carefully(source), source.erase)


class Driver:
    """Of a device that can be stopped when no operation is pending."""

    def __init__(self) -> None:
        self.pending = 1
        self.stopping = self.stopped = False
        self.idle = threading.Event()
        self.lock = threading.Lock()

    def work(self) -> None:
        if not self.stopping:
            with self.lock:
                self.pending += 1
            self.use()

    def work_carefully(self) -> None:
        with self.lock:
            if self.stopping:
                return
            self.pending += 1
        self.use()

    def use(self) -> None:
        assert not self.stopped, "the device is used after it was stopped"
        self.done()

    def done(self) -> None:
        with self.lock:
            self.pending -= 1
            if not self.pending:
                self.idle.set()

    def stop(self) -> None:
        with self.lock:
            self.stopping = True
        self.done()
        self.idle.wait()
        self.stopped = True


def bluetooth_driver() -> None:
    """Whether the device stops is looked at, and then it is used."""
    driver = Driver()
    together(driver.work, driver.stop)


def bluetooth_driver_looked_at_under_the_lock() -> None:
    driver = Driver()
    together(driver.work_carefully, driver.stop)


def add_under(lock: threading.Lock, box: list[int]) -> None:
    with lock:
        box[0] += 1


def wrong_lock() -> None:
    """One writer uses another lock than the others."""
    box, lock, other = [0], threading.Lock(), threading.Lock()
    together(*[lambda: add_under(lock, box)] * 2, lambda: add_under(other, box))
    assert box == [3]


def right_lock() -> None:
    box, lock = [0], threading.Lock()
    together(*[lambda: add_under(lock, box)] * 3)
    assert box == [3]


class Stack:
    def __init__(self) -> None:
        self.items: list[int] = []
        self.has_items = False
        self.lock = threading.Lock()

    def push(self, item: int) -> None:
        with self.lock:
            self.items.append(item)
            self.has_items = True

    def pop(self) -> int | None:
        with self.lock:
            return self.items.pop() if self.has_items else None

    def pop_carefully(self) -> int | None:
        with self.lock:
            item = self.items.pop() if self.has_items else None
            self.has_items = bool(self.items)
            return item


def _push_three(stack: Stack) -> None:
    for item in range(3):
        stack.push(item)


def stack_that_says_it_has_items() -> None:
    """That it has some is never taken back."""
    stack = Stack()
    together(lambda: _push_three(stack), lambda: [stack.pop() for _ in range(3)])


def stack_that_knows() -> None:
    stack = Stack()
    together(lambda: _push_three(stack), lambda: [stack.pop_carefully() for _ in range(3)])


class WorkQueue:
    """A ring of two: one owner puts without a lock, thieves take under one.

    A thief moves the head, and then takes what was there: so one place less can be used than there
    are.
    """

    def __init__(self, usable: int) -> None:
        self.ring: list[int | None] = [None, None]
        self.usable = usable
        self.head = self.tail = 0
        self.lock = threading.Lock()

    def put(self, item: int) -> bool:
        if self.tail - self.head >= self.usable:
            return False
        self.ring[self.tail % 2] = item
        self.tail += 1
        return True

    def steal(self) -> int | None:
        with self.lock:
            head = self.head
            if head >= self.tail:
                return None
            self.head = head + 1
            return self.ring[head % 2]


def _work(usable: int) -> None:
    queue, done = WorkQueue(usable), []

    def own() -> None:
        for item in range(3):
            if not queue.put(item):
                done.append(item)

    def steal() -> None:
        if (item := queue.steal()) is not None:
            done.append(item)

    together(own, steal)
    while (item := queue.steal()) is not None:
        done.append(item)
    assert sorted(done) == [0, 1, 2], "lost, or done twice"


def work_queue_off_by_one() -> None:
    """The place that a thief is about to look at is used again."""
    _work(2)


def work_queue() -> None:
    _work(1)


CASES = (
    Case(reorder_of_two_setters, WRONG, "half of it", preemptions=1),
    Case(reorder_under_a_lock),
    Case(twostage_of_one_writer, WRONG, "the second stage is not there yet", preemptions=1),
    Case(two_stages_at_once),
    Case(string_buffer, WRONG, "letters of", preemptions=1),
    Case(string_buffer_locked_for_both),
    Case(bluetooth_driver, WRONG, "used after it was stopped", preemptions=1),
    Case(bluetooth_driver_looked_at_under_the_lock),
    Case(wrong_lock, WRONG, "yardsticks.py:wrong_lock", preemptions=1),
    Case(right_lock),
    Case(stack_that_says_it_has_items, WRONG, "pop from empty list", preemptions=1),
    Case(stack_that_knows),
    Case(work_queue_off_by_one, WRONG, "lost, or done twice", preemptions=2),
    Case(work_queue),
)
