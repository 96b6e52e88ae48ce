"""States and limits that are checked, and have changed when they are acted upon."""

from __future__ import annotations

import threading

from tests.corpus.case import together
from tests.corpus.races.race import overtaken, quiet


class Pool:
    """Lends its connections."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle = ["connection"]

    def take(self) -> str | None:
        if self.idle:
            return self.idle.pop()
        return None

    def take_carefully(self) -> str | None:
        with self.lock:
            return self.take()


def racy_pop_of_the_last() -> None:
    pool = Pool()
    take = quiet(IndexError, work=pool.take)
    together(take, take)


def race_free_pop_of_the_last() -> None:
    pool = Pool()
    together(pool.take_carefully, pool.take_carefully)


class Room:
    """Has places for two guests."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.guests = ["ann"]

    def enter(self, guest: str) -> bool:
        if len(self.guests) < 2:
            self.guests.append(guest)
            return True
        return False

    def enter_carefully(self, guest: str) -> bool:
        with self.lock:
            return self.enter(guest)


def racy_append_below_the_limit() -> None:
    room = Room()
    together(lambda: room.enter("bob"), lambda: room.enter("cid"))


def race_free_append_below_the_limit() -> None:
    room = Room()
    together(lambda: room.enter_carefully("bob"), lambda: room.enter_carefully("cid"))


class Channel:
    """Sends while it is open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.state = "open"
        self.buffer: list[str] | None = []

    def send(self, message: str) -> None:
        if self.state == "open":
            there(self.buffer).append(message)

    def close(self) -> None:
        self.state = "closed"
        self.buffer = None

    def send_carefully(self, message: str) -> None:
        with self.lock:
            self.send(message)

    def close_carefully(self) -> None:
        with self.lock:
            self.close()


def there(buffer: list[str] | None) -> list[str]:
    if buffer is None:
        raise ValueError("the channel is closed")
    return buffer


def racy_sent_while_open() -> None:
    channel = Channel()
    together(quiet(ValueError, work=lambda: channel.send("hello")), channel.close)


def race_free_sent_while_open() -> None:
    channel = Channel()
    together(lambda: channel.send_carefully("hello"), channel.close_carefully)


class Machine:
    """Goes from one state to the next."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.state = "new"

    def start(self) -> bool:
        if self.state != "new":
            return False
        self.state = "running"
        return True

    def start_carefully(self) -> bool:
        with self.lock:
            return self.start()


def racy_started_when_new() -> None:
    machine = Machine()
    together(machine.start, machine.start)


def race_free_started_when_new() -> None:
    machine = Machine()
    together(machine.start_carefully, machine.start_carefully)


class Tasks:
    """A queue that locks each of its methods."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items = ["task"]

    def empty(self) -> bool:
        with self.lock:
            return not self.items

    def get(self) -> str:
        with self.lock:
            return self.items.pop(0)

    def get_or_none(self) -> str | None:
        with self.lock:
            return self.items.pop(0) if self.items else None


def racy_empty_then_get() -> None:
    tasks = Tasks()

    def work() -> None:
        if not tasks.empty():
            tasks.get()

    together(quiet(IndexError, work=work), quiet(IndexError, work=work))


def race_free_empty_then_get() -> None:
    tasks = Tasks()
    together(tasks.get_or_none, tasks.get_or_none)


class Permits:
    """A semaphore, made of a number."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.permits = 1

    def acquire(self) -> bool:
        if self.permits > 0:
            self.permits -= 1
            return True
        return False

    def acquire_carefully(self) -> bool:
        with self.lock:
            return self.acquire()


def racy_permits() -> None:
    permits = Permits()
    together(permits.acquire, permits.acquire)


def race_free_permits() -> None:
    permits = Permits()
    together(permits.acquire_carefully, permits.acquire_carefully)


initialized = False
lock_of_initialized = threading.Lock()


def initialize() -> None:
    global initialized
    if not initialized:
        initialized = True


def racy_once_flag() -> None:
    global initialized
    initialized = False
    together(initialize, initialize)


def initialize_carefully() -> None:
    with lock_of_initialized:
        initialize()


def race_free_once_flag() -> None:
    global initialized
    initialized = False
    together(initialize_carefully, initialize_carefully)


def racy_seat() -> None:
    seats: list[str | None] = [None, None]

    def reserve(seat: int, name: str) -> bool:
        if seats[seat] is None:
            seats[seat] = name
            return True
        return False

    together(lambda: reserve(1, "ann"), lambda: reserve(1, "bob"))


def race_free_seat() -> None:
    seats: list[str | None] = [None, None]
    lock = threading.Lock()

    def reserve(seat: int, name: str) -> bool:
        with lock:
            if seats[seat] is None:
                seats[seat] = name
                return True
            return False

    together(lambda: reserve(1, "ann"), lambda: reserve(1, "bob"))


class Account:
    """Its balance is never to be below zero."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.balance = 100

    def withdraw(self, amount: int) -> bool:
        with self.lock:
            enough = self.balance >= amount
        if enough:
            with self.lock:
                self.balance -= amount
        return enough

    def withdraw_carefully(self, amount: int) -> bool:
        with self.lock:
            enough = self.balance >= amount
            if enough:
                self.balance -= amount
            return enough


def racy_withdrawal() -> None:
    account = Account()
    together(lambda: account.withdraw(70), lambda: account.withdraw(60))


def race_free_withdrawal() -> None:
    account = Account()
    together(lambda: account.withdraw_carefully(70), lambda: account.withdraw_carefully(60))


class Promise:
    """Takes the first answer."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = False
        self.answer = ""

    def set(self, answer: str) -> None:
        if not self.done:
            self.answer = answer
            self.done = True

    def set_carefully(self, answer: str) -> None:
        with self.lock:
            self.set(answer)


def racy_first_answer() -> None:
    promise = Promise()
    together(lambda: promise.set("yes"), lambda: promise.set("no"))


def race_free_first_answer() -> None:
    promise = Promise()
    together(lambda: promise.set_carefully("yes"), lambda: promise.set_carefully("no"))


class Batch:
    """Sends its lines by twos."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lines = ["first"]

    def write(self, line: str) -> list[str]:
        self.lines.append(line)
        if len(self.lines) >= 2:
            full = self.lines
            self.lines = []
            return full
        return []

    def write_carefully(self, line: str) -> list[str]:
        with self.lock:
            return self.write(line)


def racy_flush_when_full() -> None:
    batch = Batch()
    together(lambda: batch.write("second"), lambda: batch.write("third"))


def race_free_flush_when_full() -> None:
    batch = Batch()
    together(lambda: batch.write_carefully("second"), lambda: batch.write_carefully("third"))


RACES = (
    overtaken(racy_pop_of_the_last, "idle", race_free_pop_of_the_last),
    overtaken(racy_append_below_the_limit, "guests", race_free_append_below_the_limit),
    overtaken(racy_sent_while_open, "state, buffer", race_free_sent_while_open),
    overtaken(racy_started_when_new, "state", race_free_started_when_new),
    overtaken(racy_empty_then_get, "items", race_free_empty_then_get),
    overtaken(racy_permits, "permits", race_free_permits),
    overtaken(racy_once_flag, "initialized", race_free_once_flag),
    overtaken(racy_seat, "seats", race_free_seat),
    overtaken(racy_withdrawal, "balance", race_free_withdrawal),
    overtaken(racy_first_answer, "done, answer", race_free_first_answer),
    overtaken(racy_flush_when_full, "lines", race_free_flush_when_full),
)
