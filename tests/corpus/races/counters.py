"""Counters without a lock: the number is read, and written back too late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.corpus.case import together
from tests.corpus.races.race import lost


class Page:
    """Counts its visits."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.visits = 0

    def visit(self) -> None:
        self.visits += 1

    def visit_carefully(self) -> None:
        with self.lock:
            self.visits += 1


def racy_visits() -> None:
    page = Page()
    together(page.visit, page.visit)


def race_free_visits() -> None:
    page = Page()
    together(page.visit_carefully, page.visit_carefully)


served = 0
lock_of_served = threading.Lock()


def serve() -> None:
    global served
    served += 1


def racy_global() -> None:
    global served
    served = 0
    together(serve, serve)


def serve_carefully() -> None:
    global served
    with lock_of_served:
        served += 1


def race_free_global() -> None:
    global served
    served = 0
    together(serve_carefully, serve_carefully)


def racy_nonlocal() -> None:
    done = 0

    def work(amount: int) -> None:
        nonlocal done
        done = done + amount

    together(lambda: work(1), lambda: work(2))


def race_free_nonlocal() -> None:
    done, lock = 0, threading.Lock()

    def work(amount: int) -> None:
        nonlocal done
        with lock:
            done = done + amount

    together(lambda: work(1), lambda: work(2))


def racy_words() -> None:
    words: dict[str, int] = {}

    def count(text: str) -> None:
        for word in text.split():
            words[word] = words.get(word, 0) + 1

    together(lambda: count("to be"), lambda: count("be it"))


def race_free_words() -> None:
    words: dict[str, int] = {}
    lock = threading.Lock()

    def count(text: str) -> None:
        for word in text.split():
            with lock:
                words[word] = words.get(word, 0) + 1

    together(lambda: count("to be"), lambda: count("be it"))


class Histogram:
    """How many values fell into which bucket."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.buckets = [0, 0, 0]

    def add(self, value: int) -> None:
        self.buckets[value // 10] += 1

    def add_carefully(self, value: int) -> None:
        with self.lock:
            self.add(value)


def racy_bucket() -> None:
    histogram = Histogram()
    together(lambda: histogram.add(12), lambda: histogram.add(17))


def race_free_bucket() -> None:
    histogram = Histogram()
    together(lambda: histogram.add_carefully(12), lambda: histogram.add_carefully(17))


class Session:
    """Counts its instances."""

    opened = 0
    lock = threading.Lock()

    def __init__(self, careful: bool) -> None:
        if careful:
            with Session.lock:
                Session.opened += 1
        else:
            Session.opened += 1


def racy_class_attribute() -> None:
    Session.opened = 0
    together(lambda: Session(False), lambda: Session(False))


def race_free_class_attribute() -> None:
    Session.opened = 0
    together(lambda: Session(True), lambda: Session(True))


def numbering() -> Callable[[], int]:
    last = 0

    def next_number() -> int:
        nonlocal last
        last += 1
        return last

    return next_number


def numbering_under_a_lock() -> Callable[[], int]:
    last, lock = 0, threading.Lock()

    def next_number() -> int:
        nonlocal last
        with lock:
            last += 1
            return last

    return next_number


def racy_closure() -> None:
    next_number = numbering()
    together(next_number, next_number)


def race_free_closure() -> None:
    next_number = numbering_under_a_lock()
    together(next_number, next_number)


class Meter:
    """Has slots, and no dictionary."""

    __slots__ = ("lock", "reading")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reading = 0

    def turn(self) -> None:
        self.reading += 5

    def turn_carefully(self) -> None:
        with self.lock:
            self.reading += 5


def racy_slot() -> None:
    meter = Meter()
    together(meter.turn, meter.turn)


def race_free_slot() -> None:
    meter = Meter()
    together(meter.turn_carefully, meter.turn_carefully)


@dataclass
class Statistics:
    errors: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def racy_dataclass_field() -> None:
    statistics = Statistics()

    def fail() -> None:
        statistics.errors = statistics.errors + 1

    together(fail, fail)


def race_free_dataclass_field() -> None:
    statistics = Statistics()

    def fail() -> None:
        with statistics.lock:
            statistics.errors = statistics.errors + 1

    together(fail, fail)


class Worker(threading.Thread):
    """All workers add to one count."""

    finished = 0
    lock = threading.Lock()

    def __init__(self, careful: bool) -> None:
        super().__init__()
        self.careful = careful

    def run(self) -> None:
        if self.careful:
            with Worker.lock:
                Worker.finished += 1
        else:
            Worker.finished += 1


def work_of_two(careful: bool) -> None:
    Worker.finished = 0
    workers = [Worker(careful), Worker(careful)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def racy_thread_subclass() -> None:
    work_of_two(careful=False)


def race_free_thread_subclass() -> None:
    work_of_two(careful=True)


RACES = (
    lost(racy_visits, "visits", race_free_visits),
    lost(racy_global, "served", race_free_global),
    lost(racy_nonlocal, "done", race_free_nonlocal),
    lost(racy_words, "words", race_free_words),
    lost(racy_bucket, "buckets", race_free_bucket),
    lost(racy_class_attribute, "opened", race_free_class_attribute),
    lost(racy_closure, "last", race_free_closure),
    lost(racy_slot, "reading", race_free_slot),
    lost(racy_dataclass_field, "errors", race_free_dataclass_field),
    lost(racy_thread_subclass, "finished", race_free_thread_subclass),
)
