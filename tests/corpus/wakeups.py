"""Conditions: notifications that come too early, to the wrong one, or to nobody."""

from __future__ import annotations

import threading
import time
from collections import deque

from tests.corpus.case import DEADLOCK, WRONG, Case, together


class Box:
    """Holds items, and whoever waits for one."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: deque[int] = deque()

    def put(self, item: int) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify()

    def put_and_tell_all(self, item: int) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def take_if(self) -> int:
        """Looks once: somebody else may have taken it by the time that this one has the lock."""
        with self.changed:
            if not self.items:
                self.changed.wait()
            return self.items.popleft()

    def take_while(self) -> int:
        with self.changed:
            while not self.items:
                self.changed.wait()
            return self.items.popleft()

    def look_then_wait(self) -> int:
        """Between the look and the wait an item may come."""
        if not self.items:
            with self.changed:
                self.changed.wait()
        return self.items.popleft()

    def take_in_time(self) -> int:
        """Takes it for granted that something came."""
        with self.changed:
            if not self.items:
                self.changed.wait(timeout=1.0)
            return self.items.popleft()

    def take_in_time_or_not(self) -> int | None:
        with self.changed:
            there = self.changed.wait_for(lambda: self.items, timeout=1.0)
            return self.items.popleft() if there else None


def taken_with_if() -> None:
    box = Box()
    together(box.take_if, box.take_if, lambda: box.put_and_tell_all(1), lambda: box.put(2))


def taken_with_while() -> None:
    box = Box()
    together(box.take_while, box.take_while, lambda: box.put_and_tell_all(1), lambda: box.put(2))


def looked_outside() -> None:
    box = Box()
    together(box.look_then_wait, lambda: box.put(1))


def looked_inside() -> None:
    box = Box()
    together(box.take_while, lambda: box.put(1))


def slow_put(box: Box) -> None:
    time.sleep(1.0)
    box.put(1)


def timed_out_unseen() -> None:
    box = Box()
    together(box.take_in_time, lambda: slow_put(box))


def timed_out_seen() -> None:
    box = Box()
    together(box.take_in_time_or_not, lambda: slow_put(box))


class Parity:
    """One condition, and two kinds of waiters."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.number = -1

    def wait_for(self, parity: int) -> None:
        with self.changed:
            while self.number < 0 or self.number % 2 != parity:
                self.changed.wait()

    def step(self) -> None:
        """Wakes one: perhaps the one that goes on waiting."""
        with self.changed:
            self.number = 0
            self.changed.notify()
            while self.changed._waiters and self.number:  # type: ignore[attr-defined]
                self.changed.wait()

    def step_for_all(self) -> None:
        with self.changed:
            self.number = 0
            self.changed.notify_all()


def wrong_one_notified() -> None:
    parity = Parity()

    def odd() -> None:
        with parity.changed:
            if parity.number < 0:
                parity.changed.wait()

    together(lambda: parity.wait_for(0), odd, parity.step)


def all_notified() -> None:
    parity = Parity()

    def odd() -> None:
        with parity.changed:
            if parity.number < 0:
                parity.changed.wait()

    together(lambda: parity.wait_for(0), odd, parity.step_for_all)


CASES = (
    Case(taken_with_if, WRONG, "wakeups.py:take_if", preemptions=0),
    Case(taken_with_while),
    Case(looked_outside, DEADLOCK, "wakeups.py:look_then_wait", preemptions=1),
    Case(looked_inside),
    Case(timed_out_unseen, WRONG, "wakeups.py:take_in_time", preemptions=0),
    Case(timed_out_seen),
    Case(wrong_one_notified, DEADLOCK, "wakeups.py:", preemptions=0),
    Case(all_notified),
)
