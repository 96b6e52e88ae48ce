"""The cost of one scheduling step on greenlets, beside a bare switch and a bare call."""

from __future__ import annotations

import statistics
import threading
from time import process_time

import greenlet

from benchmarks.news import News
from benchmarks.rows import Bar, Row
from benchmarks.stopwatch import timed

BAR = Bar(4, at_least=False)


class Box:
    """Shared state."""

    value = 0


def two_writers() -> None:
    """Two tasks, and a thousand writes of each that the other could see."""
    box = Box()

    def work() -> None:
        for _ in range(1000):
            box.value = 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def switch_and_call(count: int) -> float:
    """Microseconds of a bare greenlet switch and a bare Python call of three arguments."""
    caller = greenlet.getcurrent()

    def back() -> None:
        while True:
            caller.switch()

    def nothing(a: int, b: int, c: int) -> None:
        pass

    other = greenlet.greenlet(back)
    began = process_time()
    for _ in range(count):
        other.switch()
    switched = (process_time() - began) / 2
    began = process_time()
    for _ in range(count):
        nothing(1, 2, 3)
    return (switched + process_time() - began) / count * 1e6


def step(quick: bool, news: News) -> list[Row]:
    """Medians of rounds that take turns. Each step asks the strategy; half of them switch."""
    rounds = 5 if quick else 15
    steps, floors = [], []
    for seed in range(rounds):
        news(f"scheduling step: round {seed + 1} of {rounds}")
        steps.append(timed(two_writers, 10, seed).microseconds_per_step)
        floors.append(switch_and_call(50_000))
    return [
        Row(
            group="one scheduling step",
            name="two writers, greenlets",
            figure=statistics.median(steps),
            unit="µs",
            beside="µs of a switch and a call:",
            other=statistics.median(floors),
            bar=BAR,
        )
    ]
