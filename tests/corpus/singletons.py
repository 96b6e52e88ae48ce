"""Things of which there is to be one, made when they are first needed."""

from __future__ import annotations

import threading

from tests.corpus.case import WRONG, Case, together


class Connection:
    """Is of use once it is open."""

    def __init__(self) -> None:
        self.is_open = False

    def open(self) -> None:
        self.is_open = True


class Holder:
    """Gives everybody the same connection."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None

    def lazy(self) -> Connection:
        if self.connection is None:
            self.connection = Connection()
        return self.connection

    def under_the_lock(self) -> Connection:
        with self.lock:
            if self.connection is None:
                self.connection = Connection()
            return self.connection

    def published_too_early(self) -> Connection:
        """Checks twice, and lets others see a connection that is not open yet."""
        if self.connection is None:
            with self.lock:
                if self.connection is None:
                    self.connection = Connection()
                    self.connection.open()
        return self.connection

    def published_when_ready(self) -> Connection:
        if self.connection is None:
            with self.lock:
                if self.connection is None:
                    connection = Connection()
                    connection.open()
                    self.connection = connection
        return self.connection


def two_singletons() -> None:
    holder, got = Holder(), []
    together(lambda: got.append(holder.lazy()), lambda: got.append(holder.lazy()))
    assert got[0] is got[1]


def one_singleton() -> None:
    holder, got = Holder(), []
    work = [lambda: got.append(holder.under_the_lock())] * 2
    together(*work)
    assert got[0] is got[1]


def checked_twice_wrongly() -> None:
    holder = Holder()

    def use() -> None:
        assert holder.published_too_early().is_open

    together(use, use)


def checked_twice_rightly() -> None:
    holder = Holder()

    def use() -> None:
        assert holder.published_when_ready().is_open

    together(use, use)


class Service:
    """Starts its thread when it is first used."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []

    def ensure(self) -> None:
        if not self.threads:
            thread = threading.Thread(target=int)
            thread.start()
            self.threads.append(thread)

    def ensure_carefully(self) -> None:
        with self.lock:
            self.ensure()


def started_twice() -> None:
    service = Service()
    together(service.ensure, service.ensure)
    assert len(service.threads) == 1


def started_once() -> None:
    service = Service()
    together(service.ensure_carefully, service.ensure_carefully)
    assert len(service.threads) == 1


CASES = (
    Case(two_singletons, WRONG, "singletons.py:two_singletons", preemptions=1),
    Case(one_singleton),
    Case(checked_twice_wrongly, WRONG, "singletons.py:use", preemptions=1),
    Case(checked_twice_rightly),
    Case(started_twice, WRONG, "singletons.py:started_twice", preemptions=1),
    Case(started_once),
)
