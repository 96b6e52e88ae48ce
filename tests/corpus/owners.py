"""Whose thread it is: daemons, and state that each thread has for itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.corpus.case import WRONG, Case


def daemon_not_waited_for() -> None:
    written: list[str] = []
    threading.Thread(target=lambda: written.append("log"), daemon=True).start()
    assert written == ["log"]


def daemon_waited_for() -> None:
    written: list[str] = []
    thread = threading.Thread(target=lambda: written.append("log"), daemon=True)
    thread.start()
    written.append("begun")
    thread.join()
    assert sorted(written) == ["begun", "log"]


def local_of_the_request_before() -> None:
    """A worker of a pool serves many requests, and keeps what the first left behind."""
    local = threading.local()

    def serve(user: str) -> str:
        if not hasattr(local, "user"):
            local.user = user
        return str(local.user)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(serve, ["ann", "bob"])) == ["ann", "bob"]


def local_of_this_request() -> None:
    local = threading.local()

    def serve(user: str) -> str:
        local.user = user
        return str(local.user)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(serve, ["ann", "bob"])) == ["ann", "bob"]


def local_of_the_first_thread() -> None:
    """It is set where the module is loaded, and nowhere else."""
    local = threading.local()
    local.depth = 0

    def work() -> None:
        local.depth += 1

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class Depth(threading.local):
    """Each thread begins at nought."""

    def __init__(self) -> None:
        self.depth = 0


def local_of_every_thread() -> None:
    local = Depth()
    seen: list[int] = []

    def work() -> None:
        local.depth += 1
        seen.append(local.depth)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1]


CASES = (
    Case(daemon_not_waited_for, WRONG, "owners.py:daemon_not_waited_for", preemptions=0),
    Case(daemon_waited_for),
    Case(
        local_of_the_request_before, WRONG, "owners.py:local_of_the_request_before", preemptions=0
    ),
    Case(local_of_this_request),
    Case(local_of_the_first_thread, WRONG, "owners.py:work", preemptions=0),
    Case(local_of_every_thread),
)
