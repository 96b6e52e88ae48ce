"""Fields that belong together: somebody sees, or leaves, one of them new and the other one old."""

from __future__ import annotations

import threading

from tests.corpus.case import together
from tests.corpus.races.race import quiet, torn


class Ship:
    """Two coordinates."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.x = self.y = 0

    def move(self, to: int) -> None:
        self.x = to
        self.y = to

    def move_carefully(self, to: int) -> None:
        with self.lock:
            self.move(to)

    def place(self) -> tuple[int, int]:
        return self.x, self.y

    def place_carefully(self) -> tuple[int, int]:
        with self.lock:
            return self.place()


def racy_two_fields() -> None:
    ship = Ship()
    together(lambda: ship.move(5), ship.place)


def race_free_two_fields() -> None:
    ship = Ship()
    together(lambda: ship.move_carefully(5), ship.place_carefully)


def racy_one_side_of_two_fields() -> None:
    """Whoever only reads has forgotten the lock."""
    ship = Ship()
    together(lambda: ship.move_carefully(5), ship.place)


def race_free_both_sides_of_two_fields() -> None:
    ship = Ship()
    together(lambda: ship.move_carefully(5), lambda: ship.move_carefully(6), ship.place_carefully)


class Column:
    """Knows how long it is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cells: list[int] = []
        self.length = 0

    def add(self, cell: int) -> None:
        self.length += 1
        self.cells.append(cell)

    def add_carefully(self, cell: int) -> None:
        with self.lock:
            self.add(cell)

    def last(self) -> int | None:
        return self.cells[self.length - 1] if self.length else None

    def last_carefully(self) -> int | None:
        with self.lock:
            return self.last()


def racy_list_and_its_length() -> None:
    column = Column()
    together(lambda: column.add(1), quiet(IndexError, work=column.last))


def race_free_list_and_its_length() -> None:
    column = Column()
    together(lambda: column.add_carefully(1), column.last_carefully)


def racy_two_items() -> None:
    person = {"first": "Ann", "last": "Lee"}
    seen: list[str] = []

    def rename() -> None:
        person["first"] = "Bob"
        person["last"] = "Ray"

    def greet() -> None:
        seen.append(person["first"] + " " + person["last"])

    together(rename, greet)


def race_free_two_items() -> None:
    person, lock = {"first": "Ann", "last": "Lee"}, threading.Lock()
    seen: list[str] = []

    def rename() -> None:
        with lock:
            person["first"] = "Bob"
            person["last"] = "Ray"

    def greet() -> None:
        with lock:
            seen.append(person["first"] + " " + person["last"])

    together(rename, greet)


class Ring:
    """Four places; items lie between head and tail."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.head, self.tail = 1, 2

    def rewind(self) -> None:
        self.head = 0
        self.tail = 0

    def rewind_carefully(self) -> None:
        with self.lock:
            self.rewind()

    def length(self) -> int:
        return (self.tail - self.head) % 4

    def length_carefully(self) -> int:
        with self.lock:
            return self.length()


def racy_head_and_tail() -> None:
    ring = Ring()
    together(ring.rewind, ring.length)


def race_free_head_and_tail() -> None:
    ring = Ring()
    together(ring.rewind_carefully, ring.length_carefully)


class Rate:
    """A value, and when it was got."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value = 1.0
        self.stamp = 0

    def refresh(self, value: float, now: int) -> None:
        self.value = value
        self.stamp = now

    def refresh_carefully(self, value: float, now: int) -> None:
        with self.lock:
            self.refresh(value, now)

    def get(self, now: int) -> float | None:
        return self.value if now - self.stamp < 10 else None

    def get_carefully(self, now: int) -> float | None:
        with self.lock:
            return self.get(now)


def racy_value_and_its_time() -> None:
    """Two refreshes at once leave the value of one with the time of the other."""
    rate = Rate()
    together(lambda: rate.refresh(1.1, 20), lambda: rate.refresh(1.2, 25))


def race_free_value_and_its_time() -> None:
    rate = Rate()
    together(lambda: rate.refresh_carefully(1.1, 20), lambda: rate.get_carefully(25))


class Buffers:
    """One is shown while the other is painted."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.front, self.back = "old", "new"

    def swap(self) -> None:
        self.front, self.back = self.back, self.front

    def swap_carefully(self) -> None:
        with self.lock:
            self.swap()

    def both(self) -> set[str]:
        return {self.front, self.back}

    def both_carefully(self) -> set[str]:
        with self.lock:
            return self.both()


def racy_swap() -> None:
    buffers = Buffers()
    together(buffers.swap, buffers.both)


def race_free_swap() -> None:
    buffers = Buffers()
    together(buffers.swap_carefully, buffers.both_carefully)


class Configuration:
    """Is read again while it is in use."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.host, self.port, self.user = "a", 1, "ann"

    def reload(self, new: dict[str, str]) -> None:
        self.host = new["host"]
        self.port = int(new["port"])
        self.user = new["user"]

    def reload_carefully(self, new: dict[str, str]) -> None:
        with self.lock:
            self.reload(new)

    def address(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"

    def address_carefully(self) -> str:
        with self.lock:
            return self.address()


NEW = {"host": "b", "port": "2", "user": "bob"}


def racy_reload() -> None:
    configuration = Configuration()
    together(lambda: configuration.reload(NEW), configuration.address)


def race_free_reload() -> None:
    configuration = Configuration()
    together(lambda: configuration.reload_carefully(NEW), configuration.address_carefully)


def racy_prices() -> None:
    """An offer is made of old prices and new ones."""
    prices = {"pen": 1, "ink": 2}

    def raise_prices() -> None:
        for item, price in (("pen", 2), ("ink", 3)):
            prices[item] = price

    def offer() -> int:
        return prices["pen"] + prices["ink"]

    together(raise_prices, offer)


def race_free_prices() -> None:
    prices, lock = {"pen": 1, "ink": 2}, threading.Lock()

    def raise_prices() -> None:
        with lock:
            for item, price in (("pen", 2), ("ink", 3)):
                prices[item] = price

    def offer() -> int:
        with lock:
            return prices["pen"] + prices["ink"]

    together(raise_prices, offer)


class Board:
    """A card is on one of two lists."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.to_do, self.done = ["card"], [""]

    def finish(self) -> None:
        self.to_do.remove("card")
        self.done.append("card")

    def finish_carefully(self) -> None:
        with self.lock:
            self.finish()

    def count(self) -> int:
        return len(self.to_do) + len(self.done)

    def count_carefully(self) -> int:
        with self.lock:
            return self.count()


def racy_moved_between_lists() -> None:
    board = Board()
    together(board.finish, board.count)


def race_free_moved_between_lists() -> None:
    board = Board()
    together(board.finish_carefully, board.count_carefully)


RACES = (
    torn(racy_two_fields, "x, y", race_free_two_fields),
    torn(racy_one_side_of_two_fields, "x, y", race_free_both_sides_of_two_fields),
    torn(racy_list_and_its_length, "cells, length", race_free_list_and_its_length),
    torn(racy_two_items, "person", race_free_two_items),
    torn(racy_head_and_tail, "head, tail", race_free_head_and_tail),
    torn(racy_value_and_its_time, "value, stamp", race_free_value_and_its_time),
    torn(racy_swap, "front, back", race_free_swap),
    torn(racy_reload, "host, port, user", race_free_reload),
    torn(racy_prices, "prices", race_free_prices),
    torn(racy_moved_between_lists, "to_do, done", race_free_moved_between_lists),
)
