"""Several locks, and the order in which they are taken."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.corpus.case import DEADLOCK, WRONG, Case, together


def hold_in_turn(locks: Sequence[threading.Lock]) -> None:
    first, second = locks
    with first, second:
        pass


def three_in_a_ring() -> None:
    """Every pair of them is in order, and all three are not."""
    a, b, c = (threading.Lock() for _ in range(3))
    together(*(lambda pair=pair: hold_in_turn(pair) for pair in ((a, b), (b, c), (c, a))))


def three_in_a_row() -> None:
    a, b, c = (threading.Lock() for _ in range(3))
    together(*(lambda pair=pair: hold_in_turn(pair) for pair in ((a, b), (b, c), (a, c))))


def dine(forks: Sequence[threading.Lock], left: int, right: int) -> None:
    with forks[left]:
        with forks[right]:
            pass


def philosophers() -> None:
    forks = [threading.Lock() for _ in range(3)]
    together(*(lambda n=n: dine(forks, n, (n + 1) % 3) for n in range(3)))


def philosophers_with_manners() -> None:
    """The lower fork first."""
    forks = [threading.Lock() for _ in range(3)]
    together(*(lambda n=n: dine(forks, *sorted((n, (n + 1) % 3))) for n in range(3)))


class Account:
    def __init__(self, number: int, balance: int) -> None:
        self.number = number
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source: Account, target: Account, amount: int) -> None:
    with source.lock, target.lock:
        source.balance -= amount
        target.balance += amount


def transfer_in_order(source: Account, target: Account, amount: int) -> None:
    first, second = sorted((source, target), key=lambda account: account.number)
    with first.lock, second.lock:
        source.balance -= amount
        target.balance += amount


def transfer_without(source: Account, target: Account, amount: int) -> None:
    source.balance -= amount
    target.balance += amount


def transfers_that_cross() -> None:
    a, b = Account(1, 10), Account(2, 10)
    together(lambda: transfer(a, b, 3), lambda: transfer(b, a, 5))


def transfers_in_order() -> None:
    a, b = Account(1, 10), Account(2, 10)
    together(lambda: transfer_in_order(a, b, 3), lambda: transfer_in_order(b, a, 5))
    assert (a.balance, b.balance) == (12, 8)


def transfers_without_locks() -> None:
    a, b = Account(1, 10), Account(2, 10)
    together(lambda: transfer_without(a, b, 3), lambda: transfer_without(b, a, 5))
    assert a.balance + b.balance == 20


class Publisher:
    """Calls its listeners, and one of them wants to leave."""

    def __init__(self, lock: threading.Lock | threading.RLock) -> None:
        self.lock = lock
        self.listeners = [self.leave]

    def leave(self) -> None:
        with self.lock:
            self.listeners.remove(self.leave)

    def publish(self) -> None:
        with self.lock:
            for listener in list(self.listeners):
                listener()


def called_under_a_lock() -> None:
    publisher = Publisher(threading.Lock())
    together(publisher.publish, int)


def called_under_a_reentrant_lock() -> None:
    publisher = Publisher(threading.RLock())
    together(publisher.publish, publisher.publish)


CASES = (
    Case(three_in_a_ring, DEADLOCK, "orders.py:hold_in_turn", preemptions=1),
    Case(three_in_a_row),
    Case(philosophers, DEADLOCK, "orders.py:dine", preemptions=1),
    Case(philosophers_with_manners),
    Case(transfers_that_cross, DEADLOCK, "orders.py:transfer", preemptions=1),
    Case(transfers_in_order),
    Case(transfers_without_locks, WRONG, "orders.py:transfers_without_locks", preemptions=1),
    Case(called_under_a_lock, DEADLOCK, "orders.py:leave", preemptions=0),
    Case(called_under_a_reentrant_lock),
)
