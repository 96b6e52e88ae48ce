"""Events and flags: set and cleared at the wrong moment."""

from __future__ import annotations

import threading
import time

from tests.corpus.case import DEADLOCK, STARVATION, Case, together


class Mailbox:
    """Its reader sleeps until there is mail."""

    def __init__(self) -> None:
        self.mail = threading.Event()
        self.letters: list[int] = []

    def send(self, letter: int) -> None:
        self.letters.append(letter)
        self.mail.set()

    def read(self, expected: int) -> None:
        """Clears after it has read: what came between is not told of again."""
        found = 0
        while found < expected:
            self.mail.wait()
            while self.letters:
                self.letters.pop()
                found += 1
            self.mail.clear()

    def read_carefully(self, expected: int) -> None:
        found = 0
        while found < expected:
            self.mail.wait()
            self.mail.clear()
            while self.letters:
                self.letters.pop()
                found += 1


def cleared_too_late() -> None:
    box = Mailbox()
    together(lambda: box.read(2), lambda: box.send(1), lambda: box.send(2))


def cleared_in_time() -> None:
    box = Mailbox()
    together(lambda: box.read_carefully(2), lambda: box.send(1), lambda: box.send(2))


class Worker:
    """Runs until it is told to stop."""

    def __init__(self) -> None:
        self.running = False
        self.stopped = False

    def run(self) -> None:
        """May be told before it runs, and then forgets it."""
        self.running = True
        while self.running:
            time.sleep(0.1)

    def stop(self) -> None:
        self.running = False

    def run_until_stopped(self) -> None:
        while not self.stopped:
            time.sleep(0.1)

    def stop_for_good(self) -> None:
        self.stopped = True


def stopped_before_it_ran() -> None:
    worker = Worker()
    together(worker.run, worker.stop)


def stopped_whenever() -> None:
    worker = Worker()
    together(worker.run_until_stopped, worker.stop_for_good)


CASES = (
    Case(cleared_too_late, DEADLOCK, "signals.py:read", preemptions=1),
    Case(cleared_in_time),
    Case(stopped_before_it_ran, STARVATION, "signals.py:run", preemptions=0),
    Case(stopped_whenever),
)
