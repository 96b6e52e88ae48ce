"""Accesses that nothing orders and that do no harm: whoever comes first, it comes to the same."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree


class Worker:
    """Works until it is told to stop."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.rounds = 0

    def run(self) -> None:
        while not self.is_stopping:
            self.rounds += 1
            time.sleep(0.1)

    def run_a_little(self) -> None:
        for _ in range(3):
            if self.is_stopping:
                break
            self.rounds += 1

    def stop(self) -> None:
        self.is_stopping = True


def race_free_stop_flag() -> None:
    """A flag that is set once: who looks too early looks again."""
    worker = Worker()

    def stop_soon() -> None:
        time.sleep(0.1)
        worker.stop()

    together(worker.run, stop_soon)


def race_free_cancelled() -> None:
    """One round more or less is of no matter."""
    worker = Worker()
    together(worker.run_a_little, worker.stop)


class Text:
    """Knows its length when it was asked for it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.known: int | None = None
        self.lengths: dict[str, int] = {}

    def length(self) -> int:
        known = self.known
        if known is None:
            known = self.known = len(self.text)
        return known

    def length_of(self, word: str) -> int:
        try:
            return self.lengths[word]
        except KeyError:
            length = self.lengths[word] = len(word)
            return length


def race_free_computed_twice() -> None:
    """A number is found by both, and it is the same one."""
    text = Text("abc")
    together(text.length, text.length)


def race_free_memo() -> None:
    """An entry may be written twice, and it is the same one."""
    text = Text("abc")
    together(lambda: text.length_of("bc"), lambda: text.length_of("bc"))


def race_free_same_value() -> None:
    """Both say the same, and neither asks."""
    worker = Worker()
    together(worker.stop, worker.stop)


def race_free_appended() -> None:
    """An append is one step; the order is of no matter."""
    results: list[int] = []
    together(lambda: results.append(1), lambda: results.append(2))
    results.sort()


def race_free_queue_of_a_deque() -> None:
    """Each end of a deque is one step, and who finds it empty is told by the same step."""
    tasks: deque[int] = deque([1])

    def put() -> None:
        tasks.append(2)

    def take() -> None:
        try:
            tasks.popleft()
        except IndexError:
            pass

    together(put, take, take)


def race_free_setdefault() -> None:
    """Looks and writes in one step: all get the list that came first."""
    lists: dict[str, list[int]] = {}

    def add(number: int) -> None:
        lists.setdefault("a", []).append(number)

    together(lambda: add(1), lambda: add(2))


def race_free_claimed_by_pop() -> None:
    """Of two that pop one key, one gets it."""
    jobs = {"a": 1}

    def claim() -> int | None:
        return jobs.pop("a", None)

    together(claim, claim)


def race_free_count() -> None:
    """The next number of a count is one step."""
    numbers = itertools.count(1)

    def work() -> str:
        return f"job {next(numbers)}"

    together(work, work)


def race_free_added_to_a_set() -> None:
    """To add is one step, and nobody asks what was there."""
    names: set[str] = set()
    together(lambda: names.add("ann"), lambda: names.add("bob"))
    sorted(names)


class Connection:
    """Is of use once it is open."""

    def __init__(self) -> None:
        self.is_open = False

    def open(self) -> None:
        self.is_open = True


class Service:
    """Looks without the lock, and again under it; what others see is ready."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None

    def get(self) -> bool:
        connection = self.connection
        if connection is None:
            with self.lock:
                connection = self.connection
                if connection is None:
                    connection = Connection()
                    connection.open()
                    self.connection = connection
        return connection.is_open


def race_free_checked_twice() -> None:
    """A reference is written in one step, and after what it leads to."""
    service = Service()
    together(service.get, service.get)


class Download:
    """Written by one."""

    def __init__(self) -> None:
        self.received = 0

    def receive(self) -> None:
        for size in (10, 20):
            self.received += size

    def show(self) -> None:
        for _ in range(2):
            f"{self.received} bytes"


def race_free_shown_progress() -> None:
    """A number that is shown may be a little old."""
    download = Download()
    together(download.receive, download.show)


class Bus:
    """Writers have the lock; readers take the tuple that there is, in one step."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.handlers: tuple[Callable[[], object], ...] = (int,)

    def subscribe(self, handler: Callable[[], object]) -> None:
        with self.lock:
            self.handlers = (*self.handlers, handler)

    def publish(self) -> None:
        for handler in self.handlers:
            handler()


def race_free_read_of_a_copy() -> None:
    """The tuple itself is never changed: an old one is as good as a new one."""
    bus = Bus()
    together(lambda: bus.subscribe(str), bus.publish)


class Heartbeat:
    def __init__(self) -> None:
        self.last = ""

    def beat(self, name: str) -> None:
        self.last = name


def race_free_last_one_wins() -> None:
    """Whoever was last is the last one: nobody asks what was there before."""
    heartbeat = Heartbeat()
    together(lambda: heartbeat.beat("ann"), lambda: heartbeat.beat("bob"))


def race_free_length_shown() -> None:
    """A length is one step, and it is only shown."""
    waiting: list[int] = []
    together(lambda: waiting.append(1), lambda: f"{len(waiting)} waiting")


def race_free_prices_as_they_come() -> None:
    """Each price comes from somebody else, in its time: they never belonged together."""
    prices = {"pen": 1, "ink": 2}
    news: queue.Queue[tuple[str, int]] = queue.Queue()

    def take_over() -> None:
        for _ in range(2):
            item, price = news.get()
            prices[item] = price

    def offer() -> int:
        return prices["pen"] + prices["ink"]

    news.put(("pen", 2))
    together(take_over, offer, lambda: news.put(("ink", 3)))


def race_free_price_again_and_again() -> None:
    """One price changes, and changes again; the other stays."""
    prices = {"pen": 1, "ink": 2}

    def raise_price() -> None:
        for price in (2, 3):
            prices["pen"] = price

    def offer() -> int:
        return prices["pen"] + prices["ink"]

    together(raise_price, offer)


RACE_FREE = (
    RaceFree(race_free_stop_flag, benign=True),
    RaceFree(race_free_cancelled, benign=True),
    RaceFree(race_free_computed_twice, benign=True),
    RaceFree(race_free_memo, benign=True),
    RaceFree(race_free_same_value, benign=True),
    RaceFree(race_free_appended, benign=True),
    RaceFree(race_free_queue_of_a_deque, benign=True),
    RaceFree(race_free_setdefault, benign=True),
    RaceFree(race_free_claimed_by_pop, benign=True),
    RaceFree(race_free_count, benign=True),
    RaceFree(race_free_added_to_a_set, benign=True),
    RaceFree(race_free_checked_twice, benign=True),
    RaceFree(race_free_shown_progress, benign=True),
    RaceFree(race_free_read_of_a_copy, benign=True),
    RaceFree(race_free_last_one_wins, benign=True),
    RaceFree(race_free_length_shown, benign=True),
    RaceFree(race_free_prices_as_they_come, benign=True),
    RaceFree(race_free_price_again_and_again, benign=True),
)
