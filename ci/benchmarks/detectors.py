"""Detectors: what they cost, what they find, and that they tell of nothing that is right."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from benchmarks.hunted import race_corpus, twins
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.detect.catalogue import DETECTORS
from stress.exploration import explore
from stress.finding import Verdict

COST = "µs of an execution with all detectors, mean of the repaired twins, beside without"
COST_ON = "ms of real threads that detectors look on at, beside without"
FOUND = "the two-sided corpus of races"
EXECUTIONS, QUICK = 1_000, 50
COST_EXECUTIONS, WARM_UP = 500, 20
ALL = tuple(DETECTORS)
THREADS, ROUNDS = 4, 700


def detectors(quick: bool, news: News) -> list[Row]:
    """The cost with the default strategy and with the cheapest one; alarms, and what is missed."""
    rows = [cost(strategy, quick, news) for strategy in ("portfolio", "random")]
    racy, race_free = race_corpus()
    executions = QUICK if quick else EXECUTIONS
    alarms, missed = [], []
    for name, program, benign in race_free:
        news(name)
        for strategy in ("portfolio", "random"):
            found = explore(
                program,
                strategy=strategy,
                executions=executions,
                detectors=ALL,
                free_threaded=not benign,
                shrink=False,
            )
            if found.verdict is not Verdict.HOLDS:
                alarms.append(name)
    for name, program, unordered in racy:
        news(name)
        found = explore(program, detectors=ALL, free_threaded=unordered, shrink=False)
        if found.verdict is not Verdict.VIOLATED:
            missed.append(name)
    many = f"{executions:,} executions each with portfolio and random"
    alarm = Row(
        FOUND, f"alarms in {len(race_free)} race-free programs", len(alarms), "",
        bar=Bar(0, at_least=False), note="; ".join([many, *alarms]),
    )  # fmt: skip
    still = Row(FOUND, f"missed of {len(racy)} racy", len(missed), "", note="; ".join(missed))
    return [*rows, looked_on(quick), alarm, still]


def looked_on(quick: bool) -> Row:
    """Real threads that share objects under locks, with everything entered in the log, beside
    without; what comes before and after, which a trial has once, is left out."""
    from stress.observe.observing import observing

    times = 1 if quick else 5
    bare = min(timed(shared_counters) for _ in range(times))
    seen = []
    for seed in range(times):
        with observing((__name__,), shared_counters, seed) as log:
            seen.append(timed(shared_counters))
        log.close()
    note = f"{THREADS} threads, {THREADS * ROUNDS:,} rounds of 6 operations"
    return Row(COST_ON, "real threads", min(seen) * 1e3, "ms", "without", bare * 1e3, note=note)


def timed(program: Callable[[], None]) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    program()
    return time.perf_counter() - began


class Counter:
    """What the threads share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.log: list[int] = []


def shared_counters() -> None:
    """Each thread takes the lock, counts, and notes something, over and over."""
    counter = Counter()

    def work() -> None:
        for number in range(ROUNDS):
            with counter.lock:
                counter.count += 1
                counter.log.append(number)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cost(strategy: str, quick: bool, news: News) -> Row:
    """Of all twins together; the worst one in the note."""
    executions = QUICK if quick else COST_EXECUTIONS
    sums = {(): 0.0, ALL: 0.0}
    worst = (0.0, "")
    for name, program in twins().items():
        news(f"{strategy}: {name}")
        took = {used: seconds(program, strategy, used, executions) for used in sums}
        for used, one in took.items():
            sums[used] += one
        worst = max(worst, (took[ALL] / took[()], name))
    count = len(twins())
    return Row(
        COST, strategy, sums[ALL] / count * 1e6, "µs", "without", sums[()] / count * 1e6,
        Bar(3.0, at_least=False), f"{worst[1]} × {worst[0]:.1f}",
    )  # fmt: skip


def seconds(
    program: Callable[[], None], strategy: str, used: Collection[str], executions: int
) -> float:
    """CPU time of one execution, the better one of two."""
    times = []
    for number in (WARM_UP, executions, executions):
        began = time.process_time()
        found = explore(
            program,
            strategy=strategy,
            executions=number,
            detectors=used,
            targets=(program.__module__,),
            shrink=False,
        )
        times.append((time.process_time() - began) / max(found.statistics.executions, 1))
    return min(times[1:])
