"""Locks that are taken in one order here and in another order there."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stress.finding import FindingKind
from tests.corpus.case import together
from tests.corpus.races.race import Defect, Race


class Library:
    """Books and readers, each with a lock."""

    def __init__(self) -> None:
        self.lock_of_books, self.lock_of_readers = threading.Lock(), threading.Lock()
        self.lent = 0

    def lend(self) -> None:
        with self.lock_of_books:
            with self.lock_of_readers:
                self.lent += 1

    def take_back(self) -> None:
        with self.lock_of_readers:
            with self.lock_of_books:
                self.lent -= 1

    def take_back_carefully(self) -> None:
        with self.lock_of_books:
            with self.lock_of_readers:
                self.lent -= 1


def racy_two_locks() -> None:
    library = Library()
    together(library.lend, library.take_back)


def race_free_two_locks() -> None:
    library = Library()
    together(library.lend, library.take_back_carefully)


class Triangle:
    """Every two of its locks are in order, and all three are not."""

    def __init__(self) -> None:
        self.lock_a, self.lock_b, self.lock_c = (threading.Lock() for _ in range(3))

    def a_and_b(self) -> None:
        with self.lock_a, self.lock_b:
            pass

    def b_and_c(self) -> None:
        with self.lock_b, self.lock_c:
            pass

    def c_and_a(self) -> None:
        with self.lock_c, self.lock_a:
            pass

    def a_and_c(self) -> None:
        with self.lock_a, self.lock_c:
            pass


def racy_ring_of_three() -> None:
    triangle = Triangle()
    together(triangle.a_and_b, triangle.b_and_c, triangle.c_and_a)


def race_free_row_of_three() -> None:
    triangle = Triangle()
    together(triangle.a_and_b, triangle.b_and_c, triangle.a_and_c)


class Account:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()
        self.balance = 100


def transfer(source: Account, target: Account) -> None:
    with source.lock, target.lock:
        source.balance -= 1
        target.balance += 1


def transfer_carefully(source: Account, target: Account) -> None:
    first, second = sorted((source, target), key=lambda account: account.number)
    with first.lock, second.lock:
        source.balance -= 1
        target.balance += 1


def racy_transfers_that_cross() -> None:
    a, b = Account(1), Account(2)
    together(lambda: transfer(a, b), lambda: transfer(b, a))


def race_free_transfers_that_cross() -> None:
    a, b = Account(1), Account(2)
    together(lambda: transfer_carefully(a, b), lambda: transfer_carefully(b, a))


class Room:
    """Holds its door while it speaks to the guest."""

    def __init__(self) -> None:
        self.door = threading.Lock()
        self.guests: list[Guest] = []

    def admit(self, guest: Guest) -> None:
        with self.door:
            self.guests.append(guest)
            guest.enter(self)

    def drop(self, guest: Guest) -> None:
        with self.door:
            if guest in self.guests:
                self.guests.remove(guest)


class Guest:
    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.room: Room | None = None

    def enter(self, room: Room) -> None:
        with self.mutex:
            self.room = room

    def leave(self, room: Room) -> None:
        with self.mutex:
            self.room = None
            room.drop(self)

    def leave_carefully(self, room: Room) -> None:
        """Holds one lock at a time."""
        with self.mutex:
            self.room = None
        room.drop(self)


def racy_methods_of_two_objects() -> None:
    room, guest = Room(), Guest()
    together(lambda: room.admit(guest), lambda: guest.leave(room))


def race_free_methods_of_two_objects() -> None:
    room, guest = Room(), Guest()
    together(lambda: room.admit(guest), lambda: guest.leave_carefully(room))


class Bus:
    """Calls its listener under its lock; what listens has a lock, too."""

    def __init__(self) -> None:
        self.lock_of_bus = threading.Lock()
        self.listener: Callable[[], None] | None = None

    def listen(self, listener: Callable[[], None] | None) -> None:
        with self.lock_of_bus:
            self.listener = listener

    def publish(self) -> None:
        with self.lock_of_bus:
            if self.listener is not None:
                self.listener()

    def publish_carefully(self) -> None:
        with self.lock_of_bus:
            listener = self.listener
        if listener is not None:
            listener()


class Service:
    def __init__(self, bus: Bus) -> None:
        self.lock_of_service = threading.Lock()
        self.bus = bus
        self.calls = 0
        bus.listen(self.called)

    def called(self) -> None:
        with self.lock_of_service:
            self.calls += 1

    def stop(self) -> None:
        with self.lock_of_service:
            self.calls = 0
            self.bus.listen(None)


def racy_callback() -> None:
    bus = Bus()
    together(bus.publish, Service(bus).stop)


def race_free_callback() -> None:
    bus = Bus()
    together(bus.publish_carefully, Service(bus).stop)


class Tree:
    """One lock may be taken again by whoever has it; that does not help."""

    def __init__(self) -> None:
        self.tree_lock, self.log_lock = threading.RLock(), threading.Lock()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        with self.log_lock:
            self.lines.append(line)

    def grow(self) -> None:
        with self.tree_lock:
            with self.tree_lock:
                self.write("grown")

    def print(self) -> None:
        with self.log_lock:
            with self.tree_lock:
                self.lines.append("printed")

    def print_carefully(self) -> None:
        with self.tree_lock:
            with self.log_lock:
                self.lines.append("printed")


def racy_reentrant_and_plain() -> None:
    tree = Tree()
    together(tree.grow, tree.print)


def race_free_reentrant_and_plain() -> None:
    tree = Tree()
    together(tree.grow, tree.print_carefully)


class Mailbox:
    """The lock of a condition is a lock like any other."""

    def __init__(self) -> None:
        self.arrived, self.lock_of_count = threading.Condition(), threading.Lock()
        self.letters, self.count = 0, 0

    def put(self) -> None:
        with self.arrived:
            self.letters += 1
            self.arrived.notify()
            with self.lock_of_count:
                self.count += 1

    def recount(self) -> None:
        with self.lock_of_count:
            with self.arrived:
                self.count = self.letters

    def recount_carefully(self) -> None:
        with self.arrived:
            with self.lock_of_count:
                self.count = self.letters


def racy_condition_and_lock() -> None:
    mailbox = Mailbox()
    together(mailbox.put, mailbox.recount)


def race_free_condition_and_lock() -> None:
    mailbox = Mailbox()
    together(mailbox.put, mailbox.recount_carefully)


def inverted(program: Callable[[], None], what: str, twin: Callable[[], None]) -> Race:
    return Race(
        program, FindingKind.LOCK_ORDER, what, Defect.LOCK_ORDER, twin, also=FindingKind.DEADLOCK
    )


RACES = (
    inverted(racy_two_locks, "lock_of_books, lock_of_readers", race_free_two_locks),
    inverted(racy_ring_of_three, "lock_a, lock_b, lock_c", race_free_row_of_three),
    inverted(racy_transfers_that_cross, "lock", race_free_transfers_that_cross),
    inverted(racy_methods_of_two_objects, "door, mutex", race_free_methods_of_two_objects),
    inverted(racy_callback, "lock_of_bus, lock_of_service", race_free_callback),
    inverted(racy_reentrant_and_plain, "tree_lock, log_lock", race_free_reentrant_and_plain),
    inverted(racy_condition_and_lock, "arrived, lock_of_count", race_free_condition_and_lock),
)
