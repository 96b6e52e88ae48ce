"""Programs whose threads hand something over, each in another way; and some that do not."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tests.corpus.case import together


class Box:
    """What is handed over, by threads that say so and by threads that do not."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.RLock()

    def fill(self) -> None:
        self.value += 1

    def look(self) -> int:
        return self.value


def nothing_in_between() -> None:
    box = Box()
    together(box.fill, box.look)


def waited_for_the_wrong_one() -> None:
    """It is joined, but another one."""
    box = Box()
    first, other = threading.Thread(target=box.fill), threading.Thread(target=int)
    first.start()
    other.start()
    other.join()
    box.look()
    first.join()


def by_lock_again_and_again() -> None:
    box = Box()

    def work(act: Callable[[], object]) -> None:
        with box.lock, box.lock:
            act()

    together(lambda: work(box.fill), lambda: work(box.look))


def by_join() -> None:
    box = Box()
    thread = threading.Thread(target=box.fill)
    thread.start()
    thread.join()
    box.fill()


def by_is_alive() -> None:
    box, ready = Box(), threading.Event()
    thread = threading.Thread(target=lambda: (box.fill(), ready.set()))
    thread.start()
    while thread.is_alive():
        pass
    box.fill()


def by_event() -> None:
    box, ready = Box(), threading.Event()
    together(lambda: (box.fill(), ready.set()), lambda: (ready.wait(), box.look()))


def by_condition() -> None:
    box, condition = Box(), threading.Condition()

    def fill() -> None:
        with condition:
            box.fill()
            condition.notify()

    def look() -> None:
        with condition:
            condition.wait_for(lambda: box.look() > 0)

    together(fill, look)


def by_semaphore() -> None:
    box, permits = Box(), threading.Semaphore(0)
    together(lambda: (box.fill(), permits.release()), lambda: (permits.acquire(), box.look()))


def by_barrier() -> None:
    box, barrier = Box(), threading.Barrier(2)
    together(lambda: (box.fill(), barrier.wait()), lambda: (barrier.wait(), box.look()))


def by_queue() -> None:
    box = Box()
    jobs: queue.Queue[Box] = queue.Queue()
    together(lambda: (box.fill(), jobs.put(box)), lambda: jobs.get().look())


def by_simple_queue() -> None:
    box = Box()
    jobs: queue.SimpleQueue[Box] = queue.SimpleQueue()
    together(lambda: (box.fill(), jobs.put(box)), lambda: jobs.get().look())


def by_pool() -> None:
    box = Box()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(box.fill).result()
        pool.submit(box.fill).result()
    box.look()


def by_future() -> None:
    box = Box()
    answer: Future[Box] = Future()
    together(lambda: (box.fill(), answer.set_result(box)), lambda: answer.result().look())


def by_event_loop() -> None:
    """A thread hands something to a loop that runs in another one."""
    box, loop = Box(), asyncio.new_event_loop()

    def stop() -> None:
        box.look()
        loop.stop()

    together(loop.run_forever, lambda: (box.fill(), loop.call_soon_threadsafe(stop)))
    loop.close()


ORDERED = (
    by_lock_again_and_again, by_join, by_is_alive, by_event, by_condition, by_semaphore, by_barrier,
    by_queue, by_simple_queue, by_pool, by_future, by_event_loop,
)  # fmt: skip
NOT_ORDERED = (nothing_in_between, waited_for_the_wrong_one)

HELD = threading.Lock()
BOX = Box()


def by_a_lock_from_before() -> None:
    """The lock of a module, which is older than whoever looks on."""

    def work() -> None:
        with HELD:
            BOX.fill()

    together(work, work)


def lost_exception() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int, "no number")
        pool.submit(BOX.look)


def lock_that_is_kept() -> None:
    lock = threading.Lock()
    together(lambda: lock.acquire(), int)


def many_boxes() -> None:
    boxes = [Box() for _ in range(64)]

    def work() -> None:
        for _ in range(32):
            for box in boxes:
                box.fill()

    together(work, work)


def many_rounds() -> None:
    """More than anybody keeps; at its end a lock is held where the log has ended before."""
    box = Box()

    def work() -> None:
        for _ in range(3_000):
            with box.lock:
                box.fill()

    together(work, work, work)
