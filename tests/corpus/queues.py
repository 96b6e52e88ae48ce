"""Queues: what is done, what is empty, and whose answer it is."""

from __future__ import annotations

import queue
import threading

from tests.corpus.case import DEADLOCK, WRONG, Case, together


def told_done_too_early() -> None:
    """`join` comes back before the work is done."""
    jobs: queue.Queue[int] = queue.Queue()
    results: list[int] = []

    def worker() -> None:
        job = jobs.get()
        jobs.task_done()
        results.append(job * 2)

    thread = threading.Thread(target=worker)
    thread.start()
    jobs.put(2)
    jobs.join()
    assert results == [4]
    thread.join()


def told_done_when_done() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    results: list[int] = []

    def worker() -> None:
        job = jobs.get()
        results.append(job * 2)
        jobs.task_done()

    thread = threading.Thread(target=worker)
    thread.start()
    jobs.put(2)
    jobs.join()
    assert results == [4]
    thread.join()


def emptied_by_another() -> None:
    """It was not empty when it was asked."""
    jobs: queue.Queue[int] = queue.Queue()
    jobs.put(1)

    def take() -> None:
        if not jobs.empty():
            jobs.get()

    together(take, take)


def emptied_by_either() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    jobs.put(1)

    def take() -> None:
        try:
            jobs.get_nowait()
        except queue.Empty:
            pass

    together(take, take)


class Server:
    """Answers requests on another thread, and everybody waits at the same queue."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[tuple[int, queue.SimpleQueue[int]]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve(self) -> None:
        for _ in range(2):
            number, reply = self.requests.get()
            reply.put(number)

    def ask(self, number: int) -> None:
        self.requests.put((number, self.answers))
        assert self.answers.get() == number

    def ask_for_oneself(self, number: int) -> None:
        reply: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.requests.put((number, reply))
        assert reply.get() == number


def answer_of_another() -> None:
    server = Server()
    together(server.serve, lambda: server.ask(1), lambda: server.ask(2))


def answer_of_ones_own() -> None:
    server = Server()
    together(server.serve, lambda: server.ask_for_oneself(1), lambda: server.ask_for_oneself(2))


def one_end_for_two() -> None:
    """One mark of the end, two that wait for it."""
    jobs: queue.Queue[int | None] = queue.Queue()

    def consume() -> None:
        while jobs.get() is not None:
            pass

    def produce() -> None:
        jobs.put(1)
        jobs.put(None)

    together(consume, consume, produce)


def an_end_for_each() -> None:
    jobs: queue.Queue[int | None] = queue.Queue()

    def consume() -> None:
        while jobs.get() is not None:
            pass

    def produce() -> None:
        jobs.put(1)
        jobs.put(None)
        jobs.put(None)

    together(consume, consume, produce)


def full_of_answers() -> None:
    """The producer waits for room, the consumer for the producer's second queue."""
    there: queue.Queue[int] = queue.Queue(1)
    back: queue.Queue[int] = queue.Queue(1)

    def client() -> None:
        for number in range(4):
            there.put(number)
        for _ in range(4):
            back.get()

    def server() -> None:
        for _ in range(4):
            back.put(there.get())

    together(client, server)


def room_for_answers() -> None:
    there: queue.Queue[int] = queue.Queue(1)
    back: queue.Queue[int] = queue.Queue()

    def client() -> None:
        for number in range(4):
            there.put(number)
        assert [back.get() for _ in range(4)] == [0, 1, 2, 3]

    def server() -> None:
        for _ in range(4):
            back.put(there.get())

    together(client, server)


CASES = (
    Case(told_done_too_early, WRONG, "queues.py:told_done_too_early", preemptions=1),
    Case(told_done_when_done),
    Case(emptied_by_another, DEADLOCK, "queues.py:take", preemptions=1),
    Case(emptied_by_either),
    Case(answer_of_another, WRONG, "queues.py:ask", preemptions=0),
    Case(answer_of_ones_own),
    Case(one_end_for_two, DEADLOCK, "queues.py:consume", preemptions=0),
    Case(an_end_for_each),
    Case(full_of_answers, DEADLOCK, "queues.py:", preemptions=0),
    Case(room_for_answers),
)
