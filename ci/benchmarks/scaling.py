"""Time per step as executions get longer and tasks more: it must stay what it is."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable

from benchmarks.news import News
from benchmarks.rows import Bar, Row
from benchmarks.stopwatch import timed

GROUP = "time per step on greenlets, as programs grow"
#: A hundred times the steps: the time of each may differ by the noise of a shared machine.
STEPS_BAR = Bar(1.5, at_least=False)
#: Twenty times the tasks: more greenlets than fit into the caches of a processor.
TASKS_BAR = Bar(3, at_least=False)
#: A lock that 200 tasks want wakes, each time it is let go, all of them, as the strategy may
#: choose any; that is a list of 200 numbers, and may be seen, but not twenty times.
LOCK_BAR = Bar(3, at_least=False)

STEPS = (1_000, 10_000, 100_000)
TASKS = (2, 10, 50, 100, 200)
QUICK_STEPS, QUICK_TASKS = (1_000, 20_000), (10, 100)


class Box:
    """Shared state."""

    value = 0


def run_all(works: list[Callable[[], None]]) -> None:
    """Each on a thread of its own."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def writers(steps: int) -> Callable[[], None]:
    """Two tasks that take that many steps together."""

    def program() -> None:
        box = Box()

        def work() -> None:
            for _ in range(steps // 2):
                box.value = 1

        run_all([work, work])

    return program


def independent(tasks: int) -> Callable[[], None]:
    """Each task writes to a box of its own, 50 times."""

    def work() -> None:
        box = Box()
        for _ in range(50):
            box.value = 1

    return lambda: run_all([work] * tasks)


def contending(tasks: int) -> Callable[[], None]:
    """All tasks want one lock, ten times each."""

    def program() -> None:
        lock = threading.Lock()

        def work() -> None:
            for _ in range(10):
                with lock:
                    pass

        run_all([work] * tasks)

    return program


def scaling(quick: bool, news: News) -> list[Row]:
    """Growth over steps, over independent tasks, and over tasks that contend."""
    rounds, steps, tasks = (1, QUICK_STEPS, QUICK_TASKS) if quick else (3, STEPS, TASKS)
    return [
        *growth("steps of two tasks", writers, steps, steps[0], STEPS_BAR, rounds, news),
        *growth("independent tasks", independent, tasks, 10, TASKS_BAR, rounds, news),
        *growth("tasks at one lock", contending, tasks, 10, LOCK_BAR, rounds, news),
    ]


def growth(
    name: str,
    make: Callable[[int], Callable[[], None]],
    sizes: tuple[int, ...],
    base: int,
    bar: Bar,
    rounds: int,
    news: News,
) -> list[Row]:
    """A row for each size, beside that of `base`; larger ones are judged. Rounds take turns."""
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            news(f"{name}: {size:,}, round {number + 1} of {rounds}")
            execution = timed(make(size), max(3, 2000 // size), seed=number)
            times[size].append(execution.microseconds_per_step)
    medians = {size: statistics.median(found) for size, found in times.items()}
    return [
        Row(
            group=GROUP,
            name=f"{size:,} {name}",
            figure=medians[size],
            unit="µs",
            beside="" if size == base else f"µs at {base:,}:",
            other=None if size == base else medians[base],
            bar=bar if size > base else None,
        )
        for size in sizes
    ]
