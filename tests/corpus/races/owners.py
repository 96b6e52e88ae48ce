"""Objects without a lock that have one owner at a time, and parts that have one owner each."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree


class Order:
    def __init__(self) -> None:
        self.steps: list[str] = []
        self.state = "new"

    def go_on(self, state: str) -> None:
        self.steps.append(self.state)
        self.state = state


def race_free_handed_over() -> None:
    """Whoever got it changes it, and whoever gave it does not look back."""
    orders: queue.Queue[Order] = queue.Queue()

    def take() -> None:
        order = Order()
        order.go_on("taken")
        orders.put(order)

    def cook() -> None:
        order = orders.get()
        order.go_on("cooked")

    together(take, cook)


def race_free_pipeline() -> None:
    """One order goes through three pairs of hands."""
    taken: queue.Queue[Order] = queue.Queue()
    cooked: queue.Queue[Order] = queue.Queue()

    def take() -> None:
        taken.put(Order())

    def cook() -> None:
        order = taken.get()
        order.go_on("cooked")
        cooked.put(order)

    def serve() -> None:
        cooked.get().go_on("served")

    together(take, cook, serve)


def race_free_request_and_reply() -> None:
    """The reply comes back in the request, when both know that it is there."""
    requests: queue.Queue[tuple[Order, threading.Event]] = queue.Queue()

    def ask() -> None:
        order, done = Order(), threading.Event()
        requests.put((order, done))
        done.wait()
        order.go_on("eaten")

    def answer() -> None:
        order, done = requests.get()
        order.go_on("cooked")
        done.set()

    together(ask, answer)


def race_free_lent_and_given_back() -> None:
    """A pool is a queue: who has the connection is alone with it."""
    idle: queue.LifoQueue[Order] = queue.LifoQueue()
    idle.put(Order())

    def use() -> None:
        connection = idle.get()
        connection.go_on("used")
        idle.put(connection)

    together(use, use)


def race_free_promised() -> None:
    promise: Future[Order] = Future()

    def make() -> None:
        order = Order()
        order.go_on("made")
        promise.set_result(order)

    together(make, lambda: promise.result().go_on("used"))


def race_free_relay() -> None:
    """Each tells the next one."""
    order, first, second = Order(), threading.Event(), threading.Event()

    def take() -> None:
        order.go_on("taken")
        first.set()

    def cook() -> None:
        first.wait()
        order.go_on("cooked")
        second.set()

    def serve() -> None:
        second.wait()
        order.go_on("served")

    together(take, cook, serve)


def race_free_lock_as_a_signal() -> None:
    """One locks it, and another one opens it."""
    order, closed = Order(), threading.Lock()
    closed.acquire()

    def make() -> None:
        order.go_on("made")
        closed.release()

    def use() -> None:
        closed.acquire()
        order.go_on("used")

    together(make, use)


def race_free_own_slots() -> None:
    """Each has an item of the list."""
    results = [0, 0]

    def square(number: int) -> None:
        results[number] = number * number
        results[number] += 1

    together(lambda: square(0), lambda: square(1))
    sum(results)


def race_free_own_keys() -> None:
    """Each has a key of the dictionary."""
    lengths = {"one": 0, "three": 0}

    def measure(word: str) -> None:
        lengths[word] = len(word)
        lengths[word] = lengths[word] + 1

    together(lambda: measure("one"), lambda: measure("three"))
    sum(lengths.values())


def race_free_own_attributes() -> None:
    order = Order()

    def write_steps() -> None:
        order.steps = [*order.steps, "cooked"]

    def write_state() -> None:
        order.state = order.state + "er"

    together(write_steps, write_state)


def race_free_own_counts() -> None:
    """Each counts for itself; the sum is made when all are done."""
    counts = [0, 0]

    def work(me: int) -> None:
        for _ in range(2):
            counts[me] += 1

    together(lambda: work(0), lambda: work(1))
    sum(counts)


def race_free_own_generator() -> None:
    def numbers() -> None:
        last = 0
        for number in (n + 1 for n in range(2)):
            last = last + number

    together(numbers, numbers)


def race_free_one_after_the_other() -> None:
    """There are two threads, and never both at once; a third one has no part in it."""
    order, other = Order(), Order()

    def one_by_one() -> None:
        for state in ("taken", "cooked"):
            thread = threading.Thread(target=order.go_on, args=(state,))
            thread.start()
            thread.join()

    together(one_by_one, lambda: other.go_on("taken"))


def race_free_between_two_rounds() -> None:
    """What all read is changed when nobody does."""
    order, seen = Order(), ["", ""]

    def look(me: int) -> None:
        seen[me] = order.state

    for state in ("taken", "cooked"):
        order.go_on(state)
        together(lambda: look(0), lambda: look(1))


def race_free_grandchild() -> None:
    """A thread that starts a thread, and waits for it."""
    order, other = Order(), Order()

    def parent() -> None:
        order.go_on("begun")
        together(lambda: order.go_on("made"), lambda: other.go_on("made"))
        order.go_on("checked")

    together(parent)
    order.go_on("done")


@dataclass(frozen=True)
class Place:
    x: int
    y: int


def race_free_frozen() -> None:
    """Nobody changes it: each makes another one of it."""
    start, ends = Place(1, 1), [Place(0, 0), Place(0, 0)]

    def move(me: int, x: int) -> None:
        ends[me] = replace(start, x=start.x + x)

    together(lambda: move(0, 2), lambda: move(1, 3))


LIMITS = {"small": 1, "large": 9}


def race_free_read_by_all() -> None:
    """A global that is never written."""

    def limit(name: str) -> int:
        return LIMITS[name] + len(LIMITS)

    together(lambda: limit("small"), lambda: limit("large"))


RACE_FREE = (
    RaceFree(race_free_handed_over),
    RaceFree(race_free_pipeline),
    RaceFree(race_free_request_and_reply),
    RaceFree(race_free_lent_and_given_back),
    RaceFree(race_free_promised),
    RaceFree(race_free_relay),
    RaceFree(race_free_lock_as_a_signal),
    RaceFree(race_free_own_slots),
    RaceFree(race_free_own_keys),
    RaceFree(race_free_own_attributes),
    RaceFree(race_free_own_counts),
    RaceFree(race_free_own_generator),
    RaceFree(race_free_one_after_the_other),
    RaceFree(race_free_between_two_rounds),
    RaceFree(race_free_grandchild),
    RaceFree(race_free_frozen),
    RaceFree(race_free_read_by_all),
)
