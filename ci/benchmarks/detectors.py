"""Detectors: what they cost, what they find, and that they tell of nothing that is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from benchmarks.hunted import race_corpus, twins
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.detect.catalogue import DETECTORS
from stress.exploration import explore
from stress.finding import Verdict

COST = "µs of an execution with all detectors, mean of the repaired twins, beside without"
FOUND = "the two-sided corpus of races"
EXECUTIONS, QUICK = 1_000, 50
COST_EXECUTIONS, WARM_UP = 500, 20
ALL = tuple(DETECTORS)


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
    return [*rows, alarm, Row(FOUND, f"missed of {len(racy)} racy", len(missed), "",
                              note="; ".join(missed))]  # fmt: skip


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
