"""Instrumented code with a single ready task, beside its bare time."""

from __future__ import annotations

import statistics
import time

from benchmarks.bodies import Body, bodies
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.exploration import explore

BAR = Bar(10, at_least=False)
GROUP = "instrumented code, one ready task"
#: Far beyond what any body takes.
STEP_LIMIT = 10_000_000


def single_task(quick: bool, news: News) -> list[Row]:
    """A row for each body of code."""
    rounds, repeats = (2, 2) if quick else (5, 6)
    rows = []
    for body in bodies():
        news(f"one ready task: {body.name}")
        rows.append(body_row(body, rounds, repeats))
    return rows


def body_row(body: Body, rounds: int, repeats: int) -> Row:
    """Medians of rounds that take turns, bare and under control."""
    bare, controlled = [], []
    body.run()
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(repeats):
            body.run()
        bare.append((time.perf_counter() - began) / repeats * 1e3)
        found = explore(
            body.run,
            targets=body.targets,
            executions=repeats,
            step_limit=STEP_LIMIT,
            carrier="greenlet",
        )
        if found.findings:
            raise SystemExit(f"{body.name} under control: {found.findings[0].message}")
        controlled.append(found.statistics.elapsed_s / found.statistics.executions * 1e3)
    steps = found.statistics.steps // found.statistics.executions
    return Row(
        group=GROUP,
        name=body.name,
        figure=statistics.median(controlled),
        unit="ms",
        beside="ms bare:",
        other=statistics.median(bare),
        bar=BAR,
        note=f"{steps:,} steps",
    )
