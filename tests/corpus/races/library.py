"""Queues and futures of the standard library: each call is whole, and two of them are not."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor, as_completed, wait

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree, overtaken, quiet


def filled(*items: int, maxsize: int = 0) -> queue.Queue[int]:
    made: queue.Queue[int] = queue.Queue(maxsize)
    for item in items:
        made.put(item)
    return made


def racy_taken_after_a_look() -> None:
    jobs = filled(1, 2, 3)

    def take() -> None:
        if not jobs.empty():
            jobs.get()

    together(take, take)


def race_free_taken_without_a_look() -> None:
    jobs = filled(1)

    def take() -> None:
        try:
            jobs.get_nowait()
        except queue.Empty:
            pass

    together(take, take)


def racy_size_asked_by_two() -> None:
    """What was asked is in a variable for a while."""
    jobs = filled(1, 2, 3, 4)

    def take_all() -> None:
        size = jobs.qsize()
        for _ in range(min(size, 2)):
            jobs.get()

    together(take_all, take_all)


def race_free_size_asked_by_one() -> None:
    jobs = filled(1, 2)

    def take_all() -> None:
        size = jobs.qsize()
        for _ in range(size):
            jobs.get()

    together(take_all, lambda: jobs.put(3))


def racy_room_asked_by_two() -> None:
    jobs = filled(maxsize=3)

    def give() -> None:
        if not jobs.full():
            jobs.put(1)

    together(give, give)


def race_free_room_asked_by_one() -> None:
    jobs = filled(1, maxsize=2)

    def give() -> None:
        if not jobs.full():
            jobs.put(1)

    together(give, quiet(queue.Empty, work=jobs.get_nowait))


def racy_answered_by_two() -> None:
    answer: Future[int] = Future()

    def give() -> None:
        if not answer.done():
            answer.set_result(1)

    together(quiet(InvalidStateError, work=give), quiet(InvalidStateError, work=give))


def race_free_answered_by_one_of_two() -> None:
    answer: Future[int] = Future()
    together(*[quiet(InvalidStateError, work=lambda: answer.set_result(1))] * 2)


def racy_failed_after_a_look() -> None:
    """Who gives up, and who has the answer at last."""
    answer: Future[int] = Future()

    def give_up() -> None:
        if answer.done():
            return
        answer.set_exception(TimeoutError())

    together(
        quiet(InvalidStateError, work=give_up),
        quiet(InvalidStateError, work=lambda: answer.set_result(1)),
    )


def race_free_failed_under_a_lock() -> None:
    answer: Future[int] = Future()
    lock = threading.Lock()

    def give_up() -> None:
        with lock:
            if answer.done():
                return
            answer.set_exception(TimeoutError())

    def give() -> None:
        with lock:
            if not answer.done():
                answer.set_result(1)

    together(give_up, give)
    answer.exception()


def race_free_one_consumer_that_looks() -> None:
    jobs = filled(1)
    taken: list[int] = []

    def take() -> None:
        while not jobs.empty():
            taken.append(jobs.get())

    together(take, lambda: jobs.put(2), lambda: jobs.put(3))


def race_free_looked_at_and_told() -> None:
    """To say how full it is, nothing must be held."""
    jobs = filled()
    told: list[int] = []

    def tell() -> None:
        told.append(jobs.qsize())

    together(lambda: jobs.put(1), tell, jobs.get)


def race_free_looked_at_and_taken_without_waiting() -> None:
    """The look saves the exception, most of the time."""
    jobs = filled(1)

    def take() -> None:
        if not jobs.empty():
            try:
                jobs.get_nowait()
            except queue.Empty:
                pass

    together(take, take)


def race_free_result_of_what_is_done() -> None:
    answer: Future[int] = Future()
    seen: list[int] = []

    def look() -> None:
        if answer.done():
            seen.append(answer.result())

    together(look, look, lambda: answer.set_result(1))


def race_free_cancelled_if_it_does_not_run() -> None:
    """Whether that was in time, it says."""
    answer: Future[int] = Future()

    def cancel() -> None:
        if not answer.running():
            answer.cancel()

    def work() -> None:
        if answer.set_running_or_notify_cancel():
            answer.set_result(1)

    together(cancel, work)


def race_free_pool_that_is_asked_who_is_done() -> None:
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(int, str(number)) for number in range(3)]
        done = sum(future.done() for future in futures)
        wait(futures)
        assert done <= 3
        assert sorted(future.result() for future in as_completed(futures)) == [0, 1, 2]


def race_free_queue_with_an_end() -> None:
    jobs: queue.Queue[int | None] = queue.Queue()

    def work() -> None:
        while (job := jobs.get()) is not None:
            assert job
            jobs.task_done()
        jobs.put(None)

    def feed() -> None:
        for job in (1, 2):
            jobs.put(job)
        jobs.join()
        jobs.put(None)

    together(work, work, feed)


RACES = (
    overtaken(racy_taken_after_a_look, "jobs", race_free_taken_without_a_look),
    overtaken(racy_size_asked_by_two, "jobs", race_free_size_asked_by_one),
    overtaken(racy_room_asked_by_two, "jobs", race_free_room_asked_by_one),
    overtaken(racy_answered_by_two, "answer", race_free_answered_by_one_of_two),
    overtaken(racy_failed_after_a_look, "answer", race_free_failed_under_a_lock),
)
RACE_FREE = tuple(
    RaceFree(program)
    for program in (
        race_free_one_consumer_that_looks,
        race_free_looked_at_and_told,
        race_free_looked_at_and_taken_without_waiting,
        race_free_result_of_what_is_done,
        race_free_cancelled_if_it_does_not_run,
        race_free_pool_that_is_asked_who_is_done,
        race_free_queue_with_an_end,
    )
)
