"""Every primitive, used as it is meant to be."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree


class Tally:
    """A number, and nothing that keeps it."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, amount: int) -> None:
        self.number += amount

    def read(self) -> int:
        return self.number


def race_free_lock() -> None:
    tally, lock = Tally(), threading.Lock()

    def work() -> None:
        with lock:
            tally.add(1)
            tally.add(-1)

    together(work, work)


def race_free_lock_by_hand() -> None:
    tally, lock = Tally(), threading.Lock()

    def work() -> None:
        lock.acquire()
        try:
            tally.add(1)
        finally:
            lock.release()

    together(work, work)


def race_free_lock_if_it_is_free() -> None:
    """Who does not get it leaves it be."""
    tally, lock = Tally(), threading.Lock()

    def work() -> None:
        if lock.acquire(blocking=False):
            tally.add(1)
            lock.release()

    together(work, work)


class Folder:
    """Its methods call each other under a lock that may be taken again."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.files: dict[str, int] = {}
        self.size = 0

    def add(self, name: str, size: int) -> None:
        with self.lock:
            self.drop(name)
            self.files[name] = size
            self.size += size

    def drop(self, name: str) -> None:
        with self.lock:
            self.size -= self.files.pop(name, 0)


def race_free_reentrant_lock() -> None:
    folder = Folder()
    together(lambda: folder.add("a", 3), lambda: folder.add("a", 5))


class Box:
    """Holds items, and whoever waits for one."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: deque[int] = deque()

    def put(self, item: int) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify()

    def take(self) -> int:
        with self.changed:
            while not self.items:
                self.changed.wait()
            return self.items.popleft()


def race_free_condition() -> None:
    box = Box()
    together(lambda: box.put(1), box.take)


def race_free_condition_for_two() -> None:
    box = Box()

    def put() -> None:
        box.put(1)
        box.put(2)

    together(put, box.take, box.take)


def race_free_event() -> None:
    tally, ready = Tally(), threading.Event()

    def make() -> None:
        tally.add(5)
        ready.set()

    def use() -> None:
        ready.wait()
        tally.read()

    together(make, use, use)


def race_free_event_in_time() -> None:
    """Reads only where the wait says that it came."""
    tally, ready = Tally(), threading.Event()

    def make() -> None:
        tally.add(5)
        ready.set()

    def use() -> None:
        if ready.wait(timeout=0.5):
            tally.read()

    together(make, use)


def race_free_semaphore() -> None:
    tally, permits = Tally(), threading.Semaphore(1)

    def work() -> None:
        with permits:
            tally.add(1)

    together(work, work)


def race_free_semaphore_as_a_signal() -> None:
    tally, made = Tally(), threading.Semaphore(0)

    def make() -> None:
        tally.add(1)
        made.release()

    def use() -> None:
        made.acquire()
        tally.add(1)

    together(make, use)


def race_free_bounded_semaphore() -> None:
    tally, permits = Tally(), threading.BoundedSemaphore(1)

    def work() -> None:
        permits.acquire()
        tally.add(1)
        permits.release()

    together(work, work)


def race_free_barrier() -> None:
    """All write, then all read."""
    parts, barrier = [0, 0], threading.Barrier(2)

    def work(me: int) -> None:
        parts[me] = me + 1
        barrier.wait()
        sum(parts)

    together(lambda: work(0), lambda: work(1))


def race_free_barrier_with_a_leader() -> None:
    """Of all that meet, one is told to write; the others wait for it at the next barrier."""
    tally, barrier = Tally(), threading.Barrier(2)

    def work() -> None:
        if barrier.wait() == 0:
            tally.add(1)
        barrier.wait()
        tally.read()

    together(work, work)


def race_free_queue() -> None:
    tasks: queue.Queue[Tally] = queue.Queue()

    def make() -> None:
        tally = Tally()
        tally.add(1)
        tasks.put(tally)

    together(make, lambda: tasks.get().add(1))


def race_free_simple_queue() -> None:
    tasks: queue.SimpleQueue[Tally] = queue.SimpleQueue()

    def make() -> None:
        tally = Tally()
        tally.add(1)
        tasks.put(tally)

    together(make, lambda: tasks.get().add(1))


def race_free_queue_that_is_joined() -> None:
    """Whoever joins the queue may read what the workers did."""
    tally, tasks = Tally(), queue.Queue[int]()

    def work() -> None:
        tally.add(tasks.get())
        tasks.task_done()

    def wait() -> None:
        tasks.put(3)
        tasks.join()
        tally.read()

    together(work, wait)


def race_free_future() -> None:
    def measure(text: str) -> Tally:
        tally = Tally()
        tally.add(len(text))
        return tally

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(measure, text) for text in ("a", "bc")]
        for future in futures:
            future.result().add(1)


def race_free_futures_as_they_come() -> None:
    total = 0
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(len, text) for text in ("a", "bc")]
        for future in as_completed(futures):
            total += future.result()


def race_free_pool_map() -> None:
    tallies = [Tally(), Tally()]

    def work(tally: Tally) -> int:
        tally.add(2)
        return tally.read()

    with ThreadPoolExecutor(2) as pool:
        sum(pool.map(work, tallies))
    for tally in tallies:
        tally.add(1)


def race_free_pool_left() -> None:
    """The end of the `with` waits for all."""
    first, second = Tally(), Tally()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(first.add, 1)
        pool.submit(second.add, 1)
    first.add(second.read())


def race_free_timers() -> None:
    tallies = [Tally(), Tally()]
    timers = [threading.Timer(0.1, tally.add, (1,)) for tally in tallies]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join()
    tallies[0].add(tallies[1].read())


def race_free_start_and_join() -> None:
    """What is written before the start is seen by all, and what they wrote after the join."""
    given, made = Tally(), [Tally(), Tally()]
    given.add(5)
    together(lambda: made[0].add(given.read()), lambda: made[1].add(given.read()))
    given.add(made[0].read() + made[1].read())


class Measuring(threading.Thread):
    """Keeps its result."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.result = 0

    def run(self) -> None:
        self.result = len(self.text)


def race_free_thread_with_a_result() -> None:
    threads = [Measuring("a"), Measuring("bc")]
    for thread in threads:
        thread.start()
    total = 0
    for thread in threads:
        thread.join()
        total += thread.result


def race_free_locals() -> None:
    """Each thread has a number of its own."""
    own = threading.local()

    def work(amount: int) -> None:
        own.number = amount
        own.number += 1

    together(lambda: work(1), lambda: work(2))


class Depth(threading.local):
    """Begins anew in each thread."""

    def __init__(self) -> None:
        self.depth = 0

    def enter(self) -> None:
        self.depth += 1

    def leave(self) -> None:
        self.depth -= 1


def race_free_subclass_of_local() -> None:
    depth = Depth()

    def work() -> None:
        depth.enter()
        depth.leave()

    together(work, work)


RACE_FREE = (
    RaceFree(race_free_lock),
    RaceFree(race_free_lock_by_hand),
    RaceFree(race_free_lock_if_it_is_free),
    RaceFree(race_free_reentrant_lock),
    RaceFree(race_free_condition),
    RaceFree(race_free_condition_for_two),
    RaceFree(race_free_event),
    RaceFree(race_free_event_in_time),
    RaceFree(race_free_semaphore),
    RaceFree(race_free_semaphore_as_a_signal),
    RaceFree(race_free_bounded_semaphore),
    RaceFree(race_free_barrier),
    RaceFree(race_free_barrier_with_a_leader),
    RaceFree(race_free_queue),
    RaceFree(race_free_simple_queue),
    RaceFree(race_free_queue_that_is_joined),
    RaceFree(race_free_future),
    RaceFree(race_free_futures_as_they_come),
    RaceFree(race_free_pool_map),
    RaceFree(race_free_pool_left),
    RaceFree(race_free_timers),
    RaceFree(race_free_start_and_join),
    RaceFree(race_free_thread_with_a_result),
    RaceFree(race_free_locals),
    RaceFree(race_free_subclass_of_local),
)
