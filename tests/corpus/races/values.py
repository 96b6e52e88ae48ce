"""Values without a lock that are made of their last value, which is no longer there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.corpus.case import together
from tests.corpus.races.race import lost


class Account:
    """The balance is a property, in cents inside."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._cents = 0

    @property
    def balance(self) -> float:
        return self._cents / 100

    @balance.setter
    def balance(self, value: float) -> None:
        self._cents = round(value * 100)


def racy_property() -> None:
    account = Account()

    def deposit() -> None:
        account.balance += 10

    together(deposit, deposit)


def race_free_property() -> None:
    account = Account()

    def deposit() -> None:
        with account.lock:
            account.balance += 10

    together(deposit, deposit)


class Average:
    """Of durations, each new one with a weight."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.average = 1.0

    def add(self, duration: float) -> None:
        before = self.average
        difference = duration - before
        if abs(difference) > 0.1:
            change = difference * 0.25
            self.average = before + change

    def add_carefully(self, duration: float) -> None:
        with self.lock:
            self.add(duration)


def racy_average() -> None:
    latency = Average()
    together(lambda: latency.add(2.0), lambda: latency.add(3.0))


def race_free_average() -> None:
    latency = Average()
    together(lambda: latency.add_carefully(2.0), lambda: latency.add_carefully(3.0))


class Peak:
    """The highest load so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.highest = 0

    def see(self, load: int) -> None:
        if load > self.highest:
            self.highest = load

    def see_carefully(self, load: int) -> None:
        with self.lock:
            self.see(load)


def racy_maximum() -> None:
    peak = Peak()
    together(lambda: peak.see(3), lambda: peak.see(7))


def race_free_maximum() -> None:
    peak = Peak()
    together(lambda: peak.see_carefully(3), lambda: peak.see_carefully(7))


def racy_minimum() -> None:
    best = {"time": 99.0}

    def run(time: float) -> None:
        best["time"] = min(best["time"], time)

    with ThreadPoolExecutor(2) as pool:
        for time in (8.0, 5.0):
            pool.submit(run, time)


def race_free_minimum() -> None:
    best, lock = {"time": 99.0}, threading.Lock()

    def run(time: float) -> None:
        with lock:
            best["time"] = min(best["time"], time)

    with ThreadPoolExecutor(2) as pool:
        for time in (8.0, 5.0):
            pool.submit(run, time)


class Log:
    """Its text grows."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.text = ""

    def write(self, line: str) -> None:
        self.text += line + "\n"

    def write_carefully(self, line: str) -> None:
        with self.lock:
            self.text += line + "\n"


def racy_text() -> None:
    log = Log()
    together(lambda: log.write("started"), lambda: log.write("ready"))


def race_free_text() -> None:
    log = Log()
    together(lambda: log.write_carefully("started"), lambda: log.write_carefully("ready"))


class Bus:
    """Keeps its handlers in a tuple that is replaced by a longer one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.handlers: tuple[Callable[[], object], ...] = ()

    def subscribe(self, handler: Callable[[], object]) -> None:
        self.handlers = (*self.handlers, handler)

    def subscribe_carefully(self, handler: Callable[[], object]) -> None:
        with self.lock:
            self.handlers = (*self.handlers, handler)


def racy_tuple() -> None:
    bus = Bus()
    together(lambda: bus.subscribe(int), lambda: bus.subscribe(str))


def race_free_tuple() -> None:
    bus = Bus()
    together(lambda: bus.subscribe_carefully(int), lambda: bus.subscribe_carefully(str))


class Settings:
    """Replaced by a changed copy, so that readers need no lock; writers do."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: dict[str, int] = {}

    def set(self, name: str, value: int) -> None:
        changed = dict(self.values)
        changed[name] = value
        self.values = changed

    def set_carefully(self, name: str, value: int) -> None:
        with self.lock:
            self.set(name, value)


def racy_changed_copy() -> None:
    settings = Settings()
    together(lambda: settings.set("retries", 3), lambda: settings.set("timeout", 10))


def race_free_changed_copy() -> None:
    settings = Settings()
    together(
        lambda: settings.set_carefully("retries", 3), lambda: settings.set_carefully("timeout", 10)
    )


class Backoff:
    """Waits twice as long after every failure."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.delay = 1

    def fail(self) -> None:
        self.delay = min(self.delay * 2, 60)

    def fail_carefully(self) -> None:
        with self.lock:
            self.fail()


def racy_delay() -> None:
    backoff = Backoff()
    together(backoff.fail, backoff.fail)


def race_free_delay() -> None:
    backoff = Backoff()
    together(backoff.fail_carefully, backoff.fail_carefully)


class Lamp:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.on = False

    def press(self) -> None:
        self.on = not self.on

    def press_carefully(self) -> None:
        with self.lock:
            self.on = not self.on


def racy_toggle() -> None:
    lamp = Lamp()
    together(lamp.press, lamp.press)


def race_free_toggle() -> None:
    lamp = Lamp()
    together(lamp.press_carefully, lamp.press_carefully)


class Budget:
    """What is spent in a `with` is added when it ends."""

    def __init__(self, careful: bool) -> None:
        self.lock = threading.Lock()
        self.careful = careful
        self.spent = 0

    def __enter__(self) -> Budget:
        return self

    def __exit__(self, *error: object) -> None:
        if self.careful:
            with self.lock:
                self.spent += 1
        else:
            self.spent += 1


def racy_context_manager() -> None:
    budget = Budget(careful=False)

    def work() -> None:
        with budget:
            sum((1, 2))

    together(work, work)


def race_free_context_manager() -> None:
    budget = Budget(careful=True)

    def work() -> None:
        with budget:
            sum((1, 2))

    together(work, work)


RACES = (
    lost(racy_property, "_cents", race_free_property),
    lost(racy_average, "average", race_free_average),
    lost(racy_maximum, "highest", race_free_maximum),
    lost(racy_minimum, "best", race_free_minimum),
    lost(racy_text, "text", race_free_text),
    lost(racy_tuple, "handlers", race_free_tuple),
    lost(racy_changed_copy, "values", race_free_changed_copy),
    lost(racy_delay, "delay", race_free_delay),
    lost(racy_toggle, "on", race_free_toggle),
    lost(racy_context_manager, "spent", race_free_context_manager),
)
