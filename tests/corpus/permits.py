"""Semaphores, barriers and latches."""

from __future__ import annotations

import threading

from tests.corpus.case import DEADLOCK, WRONG, Case, together


class Limited:
    """Something that only one may use at a time."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(1)
        self.inside = 0

    def use(self) -> None:
        self.inside += 1
        assert self.inside == 1
        self.inside -= 1

    def try_to_use(self) -> None:
        """Gives back what it may not have got."""
        self.permits.acquire(blocking=False)
        try:
            self.use()
        finally:
            self.permits.release()

    def use_if_possible(self) -> None:
        if self.permits.acquire(blocking=False):
            try:
                self.use()
            finally:
                self.permits.release()


def used_without_a_permit() -> None:
    limited = Limited()
    together(limited.try_to_use, limited.try_to_use)


def used_with_a_permit() -> None:
    limited = Limited()
    together(limited.use_if_possible, limited.use_if_possible)


class Lender:
    """Lends one connection."""

    def __init__(self) -> None:
        self.free = threading.BoundedSemaphore(1)
        self.broken = True

    def work(self) -> None:
        if self.broken:
            self.broken = False
            raise ConnectionError

    def borrow(self) -> None:
        """Does not give it back where the work fails."""
        self.free.acquire()
        try:
            self.work()
        except ConnectionError:
            return
        self.free.release()

    def borrow_carefully(self) -> None:
        with self.free:
            try:
                self.work()
            except ConnectionError:
                pass


def never_given_back() -> None:
    lender = Lender()
    together(lender.borrow, lender.borrow)


def always_given_back() -> None:
    lender = Lender()
    together(lender.borrow_carefully, lender.borrow_carefully)


class Rendezvous:
    """A barrier by hand, for two, with an event that nobody can clear at the right moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.arrived = 0
        self.all_here = threading.Event()

    def wait(self) -> None:
        with self.lock:
            self.arrived += 1
            if self.arrived == 2:
                self.arrived = 0
                self.all_here.set()
        self.all_here.wait()
        self.all_here.clear()


def used_again() -> None:
    barrier = Rendezvous()

    def work() -> None:
        for _ in range(2):
            barrier.wait()

    together(work, work)


def barrier_used_again() -> None:
    barrier = threading.Barrier(2)
    rounds = [0, 0]

    def work(mine: int) -> None:
        for _ in range(2):
            rounds[mine] += 1
            barrier.wait()
            assert rounds[0] == rounds[1]
            barrier.wait()

    together(lambda: work(0), lambda: work(1))


def barrier_for_one_too_many() -> None:
    """One of them may not come: it has nothing to do."""
    barrier, jobs = threading.Barrier(2), [1, 2]

    def work() -> None:
        if len(jobs) < 2:
            return
        jobs.pop()
        barrier.wait()

    together(work, work)


def barrier_that_is_broken() -> None:
    barrier, jobs, lock = threading.Barrier(2), [1, 2], threading.Lock()

    def work() -> None:
        with lock:
            has_job = len(jobs) == 2
            if has_job:
                jobs.pop()
        if not has_job:
            barrier.abort()
            return
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            pass

    together(work, work)


class Latch:
    """Opens when everybody has arrived."""

    def __init__(self, count: int) -> None:
        self.lock = threading.Lock()
        self.count = count
        self.open = threading.Event()

    def arrive(self) -> None:
        self.count -= 1
        if self.count == 0:
            self.open.set()

    def arrive_carefully(self) -> None:
        with self.lock:
            self.arrive()


def never_opened() -> None:
    latch = Latch(2)

    def wait() -> None:
        latch.open.wait()

    together(latch.arrive, latch.arrive, wait)


def opened() -> None:
    latch = Latch(2)
    together(latch.arrive_carefully, latch.arrive_carefully, latch.open.wait)


CASES = (
    Case(used_without_a_permit, WRONG, "permits.py:use", preemptions=1),
    Case(used_with_a_permit),
    Case(never_given_back, DEADLOCK, "permits.py:borrow", preemptions=0),
    Case(always_given_back),
    Case(used_again, DEADLOCK, "permits.py:wait", preemptions=1),
    Case(barrier_used_again),
    Case(barrier_for_one_too_many, DEADLOCK, "permits.py:work", preemptions=0),
    Case(barrier_that_is_broken),
    Case(never_opened, DEADLOCK, "permits.py:wait", preemptions=1),
    Case(opened),
)
