"""Rules by which people use locks, all of them kept: which lock, how many, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.corpus.case import together
from tests.corpus.races.race import RaceFree


class Listeners:
    """Replaced under the lock, and called without it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listeners: tuple[Callable[[], object], ...] = (int,)

    def add(self, listener: Callable[[], object]) -> None:
        with self.lock:
            self.listeners = (*self.listeners, listener)

    def tell(self) -> None:
        with self.lock:
            listeners = self.listeners
        for listener in listeners:
            listener()


def race_free_replaced_by_a_copy() -> None:
    listeners = Listeners()
    together(lambda: listeners.add(str), listeners.tell, lambda: listeners.add(list))


class Striped:
    """Keys are spread over two dictionaries, each with a lock."""

    def __init__(self) -> None:
        self.locks = [threading.Lock(), threading.Lock()]
        self.parts: list[dict[int, int]] = [{}, {}]

    def add(self, key: int, amount: int) -> None:
        stripe = key % 2
        with self.locks[stripe]:
            part = self.parts[stripe]
            part[key] = part.get(key, 0) + amount


def race_free_striped() -> None:
    striped = Striped()
    together(lambda: striped.add(1, 5), lambda: striped.add(2, 5), lambda: striped.add(3, 5))


class Keyed:
    """A lock for each key, made under the lock of all of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.locks: dict[str, threading.Lock] = {}
        self.balances = {"ann": [0], "bob": [0]}

    def lock_of(self, name: str) -> threading.Lock:
        with self.lock:
            if name not in self.locks:
                self.locks[name] = threading.Lock()
            return self.locks[name]

    def pay(self, name: str) -> None:
        with self.lock_of(name):
            self.balances[name][0] += 1


def race_free_lock_of_each_key() -> None:
    keyed = Keyed()
    together(lambda: keyed.pay("ann"), lambda: keyed.pay("ann"), lambda: keyed.pay("bob"))


class Gated:
    """Two locks in both orders, and a gate through which one goes at a time."""

    def __init__(self) -> None:
        self.gate, self.left, self.right = (threading.Lock() for _ in range(3))
        self.moves = 0

    def to_the_right(self) -> None:
        with self.gate:
            with self.left, self.right:
                self.moves += 1

    def to_the_left(self) -> None:
        with self.gate:
            with self.right, self.left:
                self.moves += 1


def race_free_gate() -> None:
    gated = Gated()
    together(gated.to_the_right, gated.to_the_left)


def race_free_both_orders_in_one_thread() -> None:
    first, second = threading.Lock(), threading.Lock()
    moves = 0

    def there_and_back() -> None:
        nonlocal moves
        with first, second:
            moves += 1
        with second, first:
            moves += 1

    def wait_for_the_first() -> None:
        with first:
            pass

    together(there_and_back, wait_for_the_first)


def race_free_both_orders_one_after_the_other() -> None:
    """Who takes them the other way round has waited for the one before."""
    first, second = threading.Lock(), threading.Lock()

    def there() -> None:
        with first, second:
            pass

    def back() -> None:
        with second, first:
            pass

    together(there, there)
    together(back, back)


def race_free_order_given_up() -> None:
    """Never waits for the one while it holds the other."""
    first, second = threading.Lock(), threading.Lock()

    def there() -> None:
        with first:
            if second.acquire(blocking=False):
                second.release()

    def back() -> None:
        with second:
            if first.acquire(blocking=False):
                first.release()

    together(there, back)


class Settings:
    """Read often, changed rarely; both have the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.timeout, self.retries = 10, 3

    def read(self) -> int:
        with self.lock:
            return self.timeout * self.retries

    def change(self) -> None:
        with self.lock:
            self.timeout, self.retries = 5, 6


def race_free_read_mostly() -> None:
    settings = Settings()
    together(settings.read, settings.change, settings.read)


class Versioned:
    """Computes without the lock, and writes if nobody else has written meanwhile."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version, self.value = 0, 1

    def double(self) -> None:
        while True:
            with self.lock:
                version, value = self.version, self.value
            value = value * 2
            with self.lock:
                if self.version == version:
                    self.value = value
                    self.version += 1
                    return


def race_free_compare_and_retry() -> None:
    versioned = Versioned()
    together(versioned.double, versioned.double)


class Sizes:
    """Looks twice, each time under the lock: who comes second throws away what it made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sizes: dict[str, list[int]] = {}

    def of(self, name: str) -> list[int]:
        with self.lock:
            if name in self.sizes:
                return self.sizes[name]
        made = [len(name)]
        with self.lock:
            if name not in self.sizes:
                self.sizes[name] = made
            return self.sizes[name]


def race_free_looked_twice() -> None:
    sizes = Sizes()
    together(lambda: sizes.of("a"), lambda: sizes.of("a"))


class Traffic:
    """Two numbers that have nothing to do with each other, and a lock for each."""

    def __init__(self) -> None:
        self.lock_of_sent, self.lock_of_received = threading.Lock(), threading.Lock()
        self.sent = self.received = 0

    def send(self) -> None:
        with self.lock_of_sent:
            self.sent += 1

    def receive(self) -> None:
        with self.lock_of_received:
            self.received += 1


def race_free_lock_of_each_field() -> None:
    traffic = Traffic()
    together(traffic.send, traffic.receive, traffic.send)


class Jobs:
    """How many are running: up when one begins, and down when it ends."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0

    def run(self) -> None:
        with self.lock:
            self.running += 1
        try:
            sum((1, 2))
        finally:
            with self.lock:
                self.running -= 1


def race_free_running_jobs() -> None:
    """Two updates in one function, and each is whole by itself."""
    jobs = Jobs()
    together(jobs.run, jobs.run)


class Log:
    """Lines of others may come between two of mine."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        with self.lock:
            self.lines.append(line)


def race_free_several_lines() -> None:
    log = Log()

    def work(name: str) -> None:
        log.write(name + " begins")
        log.write(name + " ends")

    together(lambda: work("a"), lambda: work("b"))


class Counts:
    """A copy is made under the lock, and read at leisure."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts = {"a": 1, "b": 2}

    def add(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1

    def report(self) -> str:
        with self.lock:
            counts = dict(self.counts)
        return ", ".join(f"{name}: {count}" for name, count in counts.items())


def race_free_copied_out() -> None:
    counts = Counts()
    together(lambda: counts.add("a"), counts.report, lambda: counts.add("b"))


class Buffer:
    """Whoever flushes takes the whole list with it, and leaves an empty one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        with self.lock:
            self.lines.append(line)

    def flush(self) -> str:
        with self.lock:
            lines, self.lines = self.lines, []
        lines.append("end")
        return "\n".join(lines)


def race_free_swapped_out() -> None:
    buffer = Buffer()
    together(lambda: buffer.write("a"), buffer.flush, buffer.flush)


class Progress:
    """Written by one, read by another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.percent = 0

    def work(self) -> None:
        for percent in (50, 100):
            with self.lock:
                self.percent = percent

    def show(self) -> None:
        for _ in range(2):
            with self.lock:
                shown(self.percent)


def shown(percent: int) -> str:
    return f"{percent} %"


def race_free_progress() -> None:
    progress = Progress()
    together(progress.work, progress.show)


RACE_FREE = (
    RaceFree(race_free_replaced_by_a_copy),
    RaceFree(race_free_striped),
    RaceFree(race_free_lock_of_each_key),
    RaceFree(race_free_gate),
    RaceFree(race_free_both_orders_in_one_thread),
    RaceFree(race_free_both_orders_one_after_the_other),
    RaceFree(race_free_order_given_up),
    RaceFree(race_free_read_mostly),
    RaceFree(race_free_compare_and_retry),
    RaceFree(race_free_looked_twice),
    RaceFree(race_free_lock_of_each_field),
    RaceFree(race_free_running_jobs),
    RaceFree(race_free_several_lines),
    RaceFree(race_free_copied_out),
    RaceFree(race_free_swapped_out),
    RaceFree(race_free_progress),
)
