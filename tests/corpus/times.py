"""Time: timers, and sleeps that are to bring about an order."""

from __future__ import annotations

import threading
import time

from tests.corpus.case import WRONG, Case, together


def cancelled_too_late() -> None:
    """A timer that fires while it is being cancelled."""
    fired: list[int] = []
    timer = threading.Timer(1.0, lambda: fired.append(1))
    timer.start()
    time.sleep(1.0)
    timer.cancel()
    assert fired == []
    timer.join()


def cancelled_and_waited_for() -> None:
    fired: list[int] = []
    timer = threading.Timer(1.0, lambda: fired.append(1))
    timer.start()
    time.sleep(1.0)
    timer.cancel()
    timer.join()
    assert len(fired) <= 1


def slept_until_it_is_done() -> None:
    """Two naps of one, one nap of the other: they end at the same moment."""
    done: list[int] = []

    def work() -> None:
        time.sleep(0.5)
        time.sleep(0.5)
        done.append(1)

    def look() -> None:
        time.sleep(1.0)
        assert done

    together(work, look)


def waited_until_it_is_done() -> None:
    done = threading.Event()

    def work() -> None:
        time.sleep(0.5)
        time.sleep(0.5)
        done.set()

    together(work, done.wait)


class Lease:
    """Is renewed now and then, and lost if that comes too late."""

    def __init__(self) -> None:
        self.until = time.monotonic() + 1.0

    def renew(self) -> None:
        time.sleep(1.0)
        self.until = time.monotonic() + 1.0

    def renew_early(self) -> None:
        time.sleep(0.5)
        self.until = time.monotonic() + 1.0

    def use(self) -> None:
        time.sleep(1.0)
        assert time.monotonic() < self.until


def renewed_too_late() -> None:
    lease = Lease()
    together(lease.renew, lease.use)


def renewed_in_time() -> None:
    lease = Lease()
    together(lease.renew_early, lease.use)


CASES = (
    Case(cancelled_too_late, WRONG, "times.py:cancelled_too_late", preemptions=0),
    Case(cancelled_and_waited_for),
    Case(slept_until_it_is_done, WRONG, "times.py:look", preemptions=1),
    Case(waited_until_it_is_done),
    Case(renewed_too_late, WRONG, "times.py:use", preemptions=0),
    Case(renewed_in_time),
)
