"""Thread pools: tasks that wait for tasks, and callbacks of futures."""

from __future__ import annotations

import threading
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor

from tests.corpus.case import DEADLOCK, WRONG, Case, together


def waited_in_a_full_pool() -> None:
    """Each task waits for another one, which finds no worker."""
    with ThreadPoolExecutor(2) as pool:

        def outer() -> int:
            return pool.submit(int).result()

        for future in [pool.submit(outer), pool.submit(outer)]:
            future.result()


def waited_in_another_pool() -> None:
    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(1) as inner:

        def outer() -> int:
            return inner.submit(int).result()

        for future in [pool.submit(outer), pool.submit(outer)]:
            assert future.result() == 0


class Results:
    """Collects what futures bring."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: list[int] = []

    def add(self, future: Future[int]) -> None:
        with self.lock:
            self.found.append(future.result())

    def watch(self, future: Future[int]) -> None:
        """Where it is done by now, the callback is called here and now, under the lock."""
        with self.lock:
            future.add_done_callback(self.add)

    def watch_carefully(self, future: Future[int]) -> None:
        future.add_done_callback(self.add)


def called_back_under_the_lock() -> None:
    results = Results()
    with ThreadPoolExecutor(1) as pool:
        results.watch(pool.submit(int))


def called_back_without_the_lock() -> None:
    results = Results()
    with ThreadPoolExecutor(1) as pool:
        results.watch_carefully(pool.submit(int))
    assert results.found == [0]


def answered_twice() -> None:
    """Whoever is first answers; both may think that they are."""
    future: Future[int] = Future()

    def answer() -> None:
        if not future.done():
            future.set_result(1)

    together(answer, answer)


def answered_once() -> None:
    future: Future[int] = Future()

    def answer() -> None:
        try:
            future.set_result(1)
        except InvalidStateError:
            pass

    together(answer, answer)
    assert future.result() == 1


def counted_by_workers() -> None:
    done = 0

    def work() -> None:
        nonlocal done
        done += 1

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(work)
    assert done == 2


def counted_by_the_caller() -> None:
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(lambda: 1) for _ in range(2)]
    assert sum(future.result() for future in futures) == 2


CASES = (
    Case(waited_in_a_full_pool, DEADLOCK, "pools.py:outer", preemptions=0),
    Case(waited_in_another_pool),
    Case(called_back_under_the_lock, DEADLOCK, "pools.py:add", preemptions=1),
    Case(called_back_without_the_lock),
    Case(answered_twice, WRONG, "pools.py:answer", preemptions=1),
    Case(answered_once),
    Case(counted_by_workers, WRONG, "pools.py:counted_by_workers", preemptions=1),
    Case(counted_by_the_caller),
)
