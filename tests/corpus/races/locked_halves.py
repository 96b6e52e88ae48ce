"""What belongs together, locked piece by piece: each access is ordered, and the whole is not."""

from __future__ import annotations

import threading

from tests.corpus.case import together
from tests.corpus.races.race import torn


class Account:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.balance = 100

    def change(self, amount: int) -> None:
        with self.lock:
            self.balance += amount

    def read(self) -> int:
        with self.lock:
            return self.balance


class Bank:
    """Two accounts, the sum of which stays the same."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.source, self.target = Account(), Account()

    def transfer(self) -> None:
        self.source.change(-30)
        self.target.change(30)

    def transfer_carefully(self) -> None:
        with self.lock:
            self.transfer()

    def sum(self) -> int:
        return self.source.read() + self.target.read()

    def sum_carefully(self) -> int:
        with self.lock:
            return self.sum()


def racy_transfer() -> None:
    bank = Bank()
    together(bank.transfer, bank.sum)


def race_free_transfer() -> None:
    bank = Bank()
    together(bank.transfer_carefully, bank.sum_carefully)


class Span:
    """From start to end."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.start, self.end = 0, 10

    def set_start(self, start: int) -> None:
        with self.lock:
            self.start = start

    def set_end(self, end: int) -> None:
        with self.lock:
            self.end = end

    def set(self, start: int, end: int) -> None:
        with self.lock:
            self.start, self.end = start, end

    def length(self) -> int:
        with self.lock:
            return self.end - self.start


def racy_start_and_end() -> None:
    span = Span()

    def move() -> None:
        span.set_start(20)
        span.set_end(30)

    together(move, span.length)


def race_free_start_and_end() -> None:
    span = Span()
    together(lambda: span.set(20, 30), span.length)


class Login:
    """A name and its password are copied out, each under the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.name, self.password = "ann", "old"

    def change(self, name: str, password: str) -> None:
        with self.lock:
            self.name = name
            self.password = password

    def header(self) -> str:
        with self.lock:
            name = self.name
        with self.lock:
            password = self.password
        return f"{name}:{password}"

    def header_carefully(self) -> str:
        with self.lock:
            name, password = self.name, self.password
        return f"{name}:{password}"


def racy_copied_in_two_sections() -> None:
    login = Login()
    together(lambda: login.change("bob", "new"), login.header)


def race_free_copied_in_one_section() -> None:
    login = Login()
    together(lambda: login.change("bob", "new"), login.header_carefully)


class Metrics:
    """Hits are never more than calls."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls, self.hits = 1, 1

    def hit(self) -> None:
        with self.lock:
            self.calls += 1
            self.hits += 1

    def read_calls(self) -> int:
        with self.lock:
            return self.calls

    def read_hits(self) -> int:
        with self.lock:
            return self.hits

    def ratio(self) -> float:
        calls = self.read_calls()
        hits = self.read_hits()
        return hits / calls

    def ratio_carefully(self) -> float:
        with self.lock:
            return self.hits / self.calls


def racy_snapshot_of_counters() -> None:
    metrics = Metrics()
    together(metrics.hit, metrics.ratio)


def race_free_snapshot_of_counters() -> None:
    metrics = Metrics()
    together(metrics.hit, metrics.ratio_carefully)


class Directory:
    """Finds numbers by names, and names by numbers; each way has a lock."""

    def __init__(self) -> None:
        self.lock_of_names, self.lock_of_numbers = threading.Lock(), threading.Lock()
        self.names: dict[int, str] = {}
        self.numbers: dict[str, int] = {}

    def add(self, name: str, number: int) -> None:
        with self.lock_of_names:
            self.names[number] = name
        with self.lock_of_numbers:
            self.numbers[name] = number

    def add_carefully(self, name: str, number: int) -> None:
        with self.lock_of_names, self.lock_of_numbers:
            self.names[number] = name
            self.numbers[name] = number


def racy_two_ways() -> None:
    """One adds and one drops: the name may be left without its number."""
    directory = Directory()
    together(lambda: directory.add("ann", 1), lambda: drop(directory, "ann", 1))


def drop(directory: Directory, name: str, number: int) -> None:
    with directory.lock_of_names:
        directory.names.pop(number, None)
    with directory.lock_of_numbers:
        directory.numbers.pop(name, None)


def drop_carefully(directory: Directory, name: str, number: int) -> None:
    with directory.lock_of_names, directory.lock_of_numbers:
        directory.names.pop(number, None)
        directory.numbers.pop(name, None)


def race_free_two_ways() -> None:
    directory = Directory()
    together(lambda: directory.add_carefully("ann", 1), lambda: drop_carefully(directory, "ann", 1))


RACES = (
    torn(racy_transfer, "balance", race_free_transfer),
    torn(racy_start_and_end, "start, end", race_free_start_and_end),
    torn(racy_copied_in_two_sections, "name, password", race_free_copied_in_one_section),
    torn(racy_snapshot_of_counters, "calls, hits", race_free_snapshot_of_counters),
    torn(racy_two_ways, "names, numbers", race_free_two_ways),
)
