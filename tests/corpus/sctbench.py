"""More programs of SCTBench, from their meaning, each with its twin.

Thomson, Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016. Those by
which strategies are told apart are in `yardsticks`; `lazy` is one of those that fail on nearly any
schedule.
"""

from __future__ import annotations

import threading

from tests.corpus.case import DEADLOCK, WRONG, Case, together


class Teller:
    """Pays in and out under a lock, and says when it has."""

    def __init__(self) -> None:
        self.balance = 10
        self.paid_in = self.paid_out = False
        self.lock = threading.Lock()

    def pay_in(self, *, says_so_first: bool) -> None:
        if says_so_first:
            self.paid_in = True
        with self.lock:
            self.balance += 5
            self.paid_in = True

    def pay_out(self, *, says_so_first: bool) -> None:
        if says_so_first:
            self.paid_out = True
        with self.lock:
            self.balance -= 3
            self.paid_out = True

    def audit(self) -> None:
        with self.lock:
            if self.paid_in and self.paid_out:
                assert self.balance == 12, "it says that it has paid, and has not"


def _account(*, says_so_first: bool) -> None:
    teller = Teller()
    together(
        lambda: teller.pay_in(says_so_first=says_so_first),
        lambda: teller.pay_out(says_so_first=says_so_first),
        teller.audit,
    )


def account() -> None:
    _account(says_so_first=True)


def account_that_says_so_after() -> None:
    _account(says_so_first=False)


class Ring:
    """Four places; the sender says that it has sent before the letter is there."""

    def __init__(self) -> None:
        self.places: list[str | None] = [None] * 4
        self.sent = self.received = 0
        self.lock = threading.Lock()

    def send(self, letter: str) -> None:
        place = self.sent
        self.sent = place + 1
        self.places[place % 4] = letter

    def receive(self) -> str | None:
        if self.received == self.sent:
            return None
        self.received += 1
        return self.places[(self.received - 1) % 4]


def _ring(*, locked: bool) -> None:
    ring, got = Ring(), []

    def send() -> None:
        for letter in "abc":
            if locked:
                with ring.lock:
                    ring.send(letter)
            else:
                ring.send(letter)

    def receive() -> None:
        for _ in range(4):
            if locked:
                with ring.lock:
                    got.append(ring.receive())
            else:
                got.append(ring.receive())

    together(send, receive)
    letters = [letter for letter in got if letter is not None]
    assert letters == list("abc")[: ring.received], "received before it was sent"


def circular_buffer() -> None:
    _ring(locked=False)


def circular_buffer_under_a_lock() -> None:
    _ring(locked=True)


class Rooms:
    """Two kinds of guests, of which one kind at a time may be in: the first of a kind shuts the
    door for the other kind, the last one opens it. Both kinds are counted under one lock."""

    def __init__(self) -> None:
        self.counting, self.door = threading.Lock(), threading.Lock()
        self.counting_of = {"a": threading.Lock(), "b": threading.Lock()}
        self.guests = {"a": 0, "b": 0}

    def visit(self, kind: str, counting: threading.Lock) -> None:
        with counting:
            self.guests[kind] += 1
            if self.guests[kind] == 1:
                self.door.acquire()
        with counting:
            self.guests[kind] -= 1
            if self.guests[kind] == 0:
                self.door.release()


def guests_counted_under_one_lock() -> None:
    """Who waits for the door has the lock that the other needs to open it."""
    rooms = Rooms()
    together(lambda: rooms.visit("a", rooms.counting), lambda: rooms.visit("b", rooms.counting))


def guests_counted_under_a_lock_of_their_kind() -> None:
    rooms = Rooms()
    a, b = rooms.counting_of["a"], rooms.counting_of["b"]
    visits = [lambda: rooms.visit("a", a), lambda: rooms.visit("b", b)]
    together(*visits, visits[0])
    assert rooms.guests == {"a": 0, "b": 0}


class Line:
    """A line of letters, with a count beside it that is kept under another lock."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.waiting = 0
        self.lock, self.lock_of_count = threading.Lock(), threading.Lock()

    def put(self, letter: str, *, at_once: bool) -> None:
        with self.lock:
            self.letters.append(letter)
            if at_once:
                self.waiting += 1
        if not at_once:
            with self.lock_of_count:
                self.waiting += 1

    def take(self, *, at_once: bool) -> None:
        with self.lock:
            if not self.letters:
                return
            self.letters.pop(0)
            if at_once:
                self.waiting -= 1
                assert self.waiting >= 0
                return
        with self.lock_of_count:
            self.waiting -= 1
            assert self.waiting >= 0, "fewer than none"


def _line(*, at_once: bool) -> None:
    line = Line()
    together(lambda: line.put("a", at_once=at_once), lambda: line.take(at_once=at_once))


def counted_after_it_was_put() -> None:
    _line(at_once=False)


def counted_with_what_was_put() -> None:
    _line(at_once=True)


class Token:
    """Three stations hand on what the one before them has."""

    def __init__(self) -> None:
        self.at = [0, 0, 0]
        self.lock = threading.Lock()

    def hand_on(self, station: int) -> None:
        before = self.at[station - 1]
        with self.lock:
            self.at[station] = before + (station == 0)

    def hand_on_at_once(self, station: int) -> None:
        with self.lock:
            self.at[station] = self.at[station - 1] + (station == 0)

    def look(self) -> None:
        with self.lock:
            assert self.at[0] >= self.at[1] >= self.at[2], "it has overtaken itself"


def token_ring() -> None:
    """What a station has seen is old when it is handed on: so it steps back."""
    token = Token()

    def first() -> None:
        token.at[0] = 1
        token.hand_on(1)

    together(first, lambda: token.hand_on(1), lambda: token.hand_on(2))
    token.look()


def token_ring_at_once() -> None:
    token = Token()

    def first() -> None:
        with token.lock:
            token.at[0] = 1
        token.hand_on_at_once(1)

    together(first, lambda: token.hand_on_at_once(1), lambda: token.hand_on_at_once(2))
    token.look()


def _lazy(most: int) -> None:
    count, lock = [0], threading.Lock()

    def add(number: int) -> None:
        with lock:
            count[0] += number

    def look() -> None:
        with lock:
            assert count[0] < most, "both have come"

    together(lambda: add(1), lambda: add(2), look)


def lazy() -> None:
    """It is forgotten that both may come before anybody looks."""
    _lazy(3)


def lazy_no_more() -> None:
    _lazy(4)


CASES = (
    Case(account, WRONG, "has paid, and has not", preemptions=1),
    Case(account_that_says_so_after),
    Case(circular_buffer, WRONG, "received before it was sent", preemptions=1),
    Case(circular_buffer_under_a_lock),
    Case(guests_counted_under_one_lock, DEADLOCK, "sctbench.py:visit", preemptions=1),
    Case(guests_counted_under_a_lock_of_their_kind),
    Case(counted_after_it_was_put, WRONG, "fewer than none", preemptions=1),
    Case(counted_with_what_was_put),
    Case(token_ring, WRONG, "overtaken itself", preemptions=1),
    Case(token_ring_at_once),
    Case(lazy, WRONG, "both have come", preemptions=0),
    Case(lazy_no_more),
)
