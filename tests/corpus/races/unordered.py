"""Reads that may come before the write: nothing says that they wait for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.corpus.case import together
from tests.corpus.races.race import ATOMICITY, DATA_RACE, Defect, Race, quiet


class Job:
    """Leaves its result in an attribute."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.result = 0

    def run(self) -> None:
        self.result = 42

    def run_slowly(self) -> None:
        time.sleep(0.3)
        self.result = 42

    def run_and_tell(self) -> None:
        self.result = 42
        self.ready.set()

    def tell_and_run(self) -> None:
        self.ready.set()
        self.result = 42

    def read(self) -> int:
        return self.result

    def wait(self) -> int:
        self.ready.wait()
        return self.result


def started(*works: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def racy_read_before_join() -> None:
    """Joins the other one first."""
    job, other = Job(), Job()
    threads = started(job.run, other.run)
    threads[1].join()
    job.read()
    threads[0].join()


def race_free_read_after_join() -> None:
    job, other = Job(), Job()
    for thread in started(job.run, other.run):
        thread.join()
    job.read()


def racy_slept_instead_of_waited() -> None:
    job, other = Job(), Job()
    threads = started(job.run, other.run)
    time.sleep(0.5)
    job.read()
    for thread in threads:
        thread.join()


def race_free_waited_instead_of_slept() -> None:
    job = Job()
    together(job.run_and_tell, job.wait)


def racy_told_too_early() -> None:
    job = Job()
    together(job.tell_and_run, job.wait)


def race_free_told_when_done() -> None:
    job = Job()
    together(job.run_and_tell, job.wait, job.wait)


def racy_joined_for_a_time() -> None:
    """The join may give up before the thread is done."""
    job, other = Job(), Job()
    threads = started(job.run_slowly, other.run_slowly)
    threads[0].join(timeout=0.1)
    job.read()
    for thread in threads:
        thread.join()


def race_free_joined_to_the_end() -> None:
    job, other = Job(), Job()
    threads = started(job.run_slowly, other.run_slowly)
    threads[0].join(timeout=0.1)
    for thread in threads:
        thread.join()
    job.read()


def racy_read_before_the_future() -> None:
    job = Job()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(job.run)
        job.read()
        future.result()


def race_free_read_after_the_future() -> None:
    job = Job()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(job.run)
        future.result()
        job.read()


def timed(*works: Callable[[], None]) -> list[threading.Timer]:
    timers = [threading.Timer(0.2, work) for work in works]
    for timer in timers:
        timer.start()
    return timers


def racy_timer_not_joined() -> None:
    job, other = Job(), Job()
    timed(job.run, other.run)
    time.sleep(0.5)
    job.read()


def race_free_timer_joined() -> None:
    job, other = Job(), Job()
    for timer in timed(job.run, other.run):
        timer.join()
    job.read()


class Model:
    """Loaded by one thread, used by another."""

    def __init__(self) -> None:
        self.weights: list[int] | None = None
        self.is_loaded = False
        self.loaded = threading.Event()

    def load(self) -> None:
        self.weights = [1, 2]
        self.is_loaded = True

    def load_and_tell(self) -> None:
        self.load()
        self.loaded.set()

    def use(self) -> list[int] | None:
        return self.weights if self.is_loaded else None

    def use_when_loaded(self) -> list[int] | None:
        self.loaded.wait()
        return self.use()


def racy_plain_flag() -> None:
    """A plain attribute says that the other one may be read."""
    model = Model()
    together(model.load, model.use)


def race_free_flag_of_an_event() -> None:
    model = Model()
    together(model.load_and_tell, model.use_when_loaded)


class Listeners:
    """Told one after the other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listeners: dict[str, Callable[[], object]] = {"a": int, "b": str}

    def add(self) -> None:
        self.listeners["c"] = list

    def tell(self) -> None:
        for listener in self.listeners.values():
            listener()

    def add_carefully(self) -> None:
        with self.lock:
            self.listeners["c"] = list

    def tell_carefully(self) -> None:
        with self.lock:
            listeners = list(self.listeners.values())
        for listener in listeners:
            listener()


def racy_iteration() -> None:
    """The dictionary grows while it is gone through."""
    listeners = Listeners()
    together(listeners.add, quiet(RuntimeError, work=listeners.tell))


def race_free_iteration() -> None:
    listeners = Listeners()
    together(listeners.add_carefully, listeners.tell_carefully)


class Message:
    def __init__(self, text: str) -> None:
        self.text = text


def racy_changed_after_put() -> None:
    box: queue.Queue[Message] = queue.Queue()

    def send() -> None:
        message = Message("hello")
        box.put(message)
        message.text = "changed"

    together(send, lambda: box.get().text.upper())


def race_free_changed_before_put() -> None:
    box: queue.Queue[Message] = queue.Queue()

    def send() -> None:
        message = Message("hello")
        message.text = "changed"
        box.put(message)

    together(send, lambda: box.get().text.upper())


def racy_one_barrier_for_two_phases() -> None:
    """Nothing keeps the second phase from beginning while the neighbour still reads the first."""
    slots, barrier = [0, 0], threading.Barrier(2)

    def work(me: int) -> None:
        slots[me] = 1
        barrier.wait()
        slots[me] = slots[1 - me] + 1

    together(lambda: work(0), lambda: work(1))


def race_free_two_barriers_for_two_phases() -> None:
    slots, barrier = [0, 0], threading.Barrier(2)

    def work(me: int) -> None:
        slots[me] = 1
        barrier.wait()
        of_neighbour = slots[1 - me]
        barrier.wait()
        slots[me] = of_neighbour + 1

    together(lambda: work(0), lambda: work(1))


class Poller:
    """Starts its thread before it is made up."""

    name = ""

    def __init__(self, careful: bool) -> None:
        self.thread = threading.Thread(target=self.run)
        if careful:
            self.name = "poller"
            self.thread.start()
        else:
            self.thread.start()
            self.name = "poller"

    def run(self) -> None:
        self.name.upper()


def racy_started_too_early() -> None:
    Poller(careful=False).thread.join()


def race_free_started_when_made_up() -> None:
    Poller(careful=True).thread.join()


def unordered(
    program: Callable[[], None],
    what: str,
    twin: Callable[[], None],
) -> Race:
    return Race(program, DATA_RACE, what, Defect.UNORDERED, twin)


RACES = (
    unordered(racy_read_before_join, "result", race_free_read_after_join),
    unordered(racy_slept_instead_of_waited, "result", race_free_waited_instead_of_slept),
    unordered(racy_told_too_early, "result", race_free_told_when_done),
    unordered(racy_joined_for_a_time, "result", race_free_joined_to_the_end),
    unordered(racy_read_before_the_future, "result", race_free_read_after_the_future),
    unordered(racy_timer_not_joined, "result", race_free_timer_joined),
    Race(
        racy_plain_flag,
        DATA_RACE,
        "weights, is_loaded",
        Defect.UNORDERED,
        race_free_flag_of_an_event,
        also=ATOMICITY,
    ),
    unordered(racy_iteration, "listeners", race_free_iteration),
    unordered(racy_changed_after_put, "text", race_free_changed_before_put),
    Race(
        racy_one_barrier_for_two_phases,
        DATA_RACE,
        "slots",
        Defect.UNORDERED,
        race_free_two_barriers_for_two_phases,
        also=ATOMICITY,
    ),
    unordered(racy_started_too_early, "name", race_free_started_when_made_up),
)
