"""Updates that get lost in spite of a lock: the wrong one, one too many, or held too short."""

from __future__ import annotations

import threading

from tests.corpus.case import together
from tests.corpus.races.race import lost


class Account:
    """Deposits and withdrawals have a lock each."""

    def __init__(self) -> None:
        self.lock_of_deposits = threading.Lock()
        self.lock_of_withdrawals = threading.Lock()
        self.balance = 100

    def deposit(self, amount: int) -> None:
        with self.lock_of_deposits:
            self.balance += amount

    def withdraw(self, amount: int) -> None:
        with self.lock_of_withdrawals:
            self.balance -= amount

    def withdraw_carefully(self, amount: int) -> None:
        with self.lock_of_deposits:
            self.balance -= amount


def racy_two_locks_for_one_balance() -> None:
    account = Account()
    together(lambda: account.deposit(10), lambda: account.withdraw(30))


def race_free_two_locks_for_one_balance() -> None:
    account = Account()
    together(lambda: account.deposit(10), lambda: account.withdraw_carefully(30))


class Request:
    """Each has a lock, and all add to one total."""

    total = 0
    lock_of_all = threading.Lock()

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def finish(self) -> None:
        with self.lock:
            Request.total += 1

    def finish_carefully(self) -> None:
        with Request.lock_of_all:
            Request.total += 1


def racy_lock_per_instance() -> None:
    Request.total = 0
    together(Request().finish, Request().finish)


def race_free_lock_per_instance() -> None:
    Request.total = 0
    together(Request().finish_carefully, Request().finish_carefully)


def racy_lock_per_call() -> None:
    sold = 0

    def sell() -> None:
        nonlocal sold
        lock = threading.Lock()
        with lock:
            sold += 1

    together(sell, sell)


def race_free_lock_per_call() -> None:
    sold, lock = 0, threading.Lock()

    def sell() -> None:
        nonlocal sold
        with lock:
            sold += 1

    together(sell, sell)


class Counter:
    """Reads under the lock, and writes under the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0

    def add(self, amount: int) -> None:
        with self.lock:
            count = self.count
        count += amount
        with self.lock:
            self.count = count

    def add_carefully(self, amount: int) -> None:
        with self.lock:
            count = self.count
            count += amount
            self.count = count

    def add_by_hand(self, amount: int) -> None:
        self.lock.acquire()
        count = self.count
        self.lock.release()
        self.lock.acquire()
        self.count = count + amount
        self.lock.release()

    def add_by_hand_carefully(self, amount: int) -> None:
        self.lock.acquire()
        try:
            self.count = self.count + amount
        finally:
            self.lock.release()

    def add_of_outside(self, amount: int) -> None:
        count = self.count + amount
        with self.lock:
            self.count = count


def racy_two_sections() -> None:
    counter = Counter()
    together(lambda: counter.add(1), lambda: counter.add(2))


def race_free_one_section() -> None:
    counter = Counter()
    together(lambda: counter.add_carefully(1), lambda: counter.add_carefully(2))


def racy_sections_by_hand() -> None:
    counter = Counter()
    together(lambda: counter.add_by_hand(1), lambda: counter.add_by_hand(2))


def race_free_section_by_hand() -> None:
    counter = Counter()
    together(lambda: counter.add_by_hand_carefully(1), lambda: counter.add_by_hand_carefully(2))


def racy_read_outside() -> None:
    counter = Counter()
    together(lambda: counter.add_of_outside(1), lambda: counter.add_carefully(2))


def race_free_read_inside() -> None:
    counter = Counter()
    together(lambda: counter.add_by_hand_carefully(1), lambda: counter.add_carefully(2))


class Gauge:
    """Every method of it is locked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.level = 0

    def get(self) -> int:
        with self.lock:
            return self.level

    def set(self, level: int) -> None:
        with self.lock:
            self.level = level

    def add(self, amount: int) -> None:
        with self.lock:
            self.level += amount


def racy_get_and_set() -> None:
    gauge = Gauge()

    def rise() -> None:
        gauge.set(gauge.get() + 1)

    together(rise, rise)


def race_free_get_and_set() -> None:
    gauge = Gauge()
    together(lambda: gauge.add(1), lambda: gauge.add(1))


class Thermostat:
    """The property is locked at both ends."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._target = 20

    @property
    def target(self) -> int:
        with self.lock:
            return self._target

    @target.setter
    def target(self, value: int) -> None:
        with self.lock:
            self._target = value

    def change(self, degrees: int) -> None:
        with self.lock:
            self._target += degrees


def racy_locked_property() -> None:
    thermostat = Thermostat()

    def warmer() -> None:
        thermostat.target += 1

    together(warmer, warmer)


def race_free_locked_property() -> None:
    thermostat = Thermostat()
    together(lambda: thermostat.change(1), lambda: thermostat.change(1))


class Store:
    """A dictionary, locked for each call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items: dict[str, int] = {}

    def get(self, key: str) -> int:
        with self.lock:
            return self.items.get(key, 0)

    def put(self, key: str, value: int) -> None:
        with self.lock:
            self.items[key] = value

    def add(self, key: str, amount: int) -> None:
        with self.lock:
            self.items[key] = self.items.get(key, 0) + amount


def racy_get_and_put() -> None:
    store = Store()

    def vote() -> None:
        votes = store.get("yes")
        store.put("yes", votes + 1)

    together(vote, vote)


def race_free_get_and_put() -> None:
    store = Store()
    together(lambda: store.add("yes", 1), lambda: store.add("yes", 1))


def sell_under(permits: threading.Semaphore) -> None:
    stock = [10]

    def sell() -> None:
        with permits:
            stock[0] -= 1

    together(sell, sell)


def racy_semaphore_of_two() -> None:
    sell_under(threading.Semaphore(2))


def race_free_semaphore_of_one() -> None:
    sell_under(threading.Semaphore(1))


class Inventory:
    """Sells under the lock, and takes back without it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stock = {"pen": 5}

    def sell(self, item: str) -> None:
        with self.lock:
            self.stock[item] -= 1

    def take_back(self, item: str) -> None:
        self.stock[item] += 1

    def take_back_carefully(self, item: str) -> None:
        with self.lock:
            self.stock[item] += 1


def racy_one_side_locked() -> None:
    inventory = Inventory()
    together(lambda: inventory.sell("pen"), lambda: inventory.take_back("pen"))


def race_free_both_sides_locked() -> None:
    inventory = Inventory()
    together(lambda: inventory.sell("pen"), lambda: inventory.take_back_carefully("pen"))


RACES = (
    lost(racy_two_locks_for_one_balance, "balance", race_free_two_locks_for_one_balance),
    lost(racy_lock_per_instance, "total", race_free_lock_per_instance),
    lost(racy_lock_per_call, "sold", race_free_lock_per_call),
    lost(racy_two_sections, "count", race_free_one_section),
    lost(racy_sections_by_hand, "count", race_free_section_by_hand),
    lost(racy_read_outside, "count", race_free_read_inside),
    lost(racy_get_and_set, "level", race_free_get_and_set),
    lost(racy_locked_property, "_target", race_free_locked_property),
    lost(racy_get_and_put, "items", race_free_get_and_put),
    lost(racy_semaphore_of_two, "stock", race_free_semaphore_of_one),
    lost(racy_one_side_locked, "stock", race_free_both_sides_locked),
)
