"""Instrumented code with a single ready task, beside its bare time."""

from __future__ import annotations

import statistics
from time import process_time

from benchmarks.bodies import Body, bodies
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from benchmarks.stopwatch import timed

BAR = Bar(10, at_least=False)
GROUP = "instrumented code, one ready task"


def single_task(quick: bool, news: News) -> list[Row]:
    """A row for each body of code."""
    rounds, repeats = (2, 2) if quick else (5, 6)
    rows = []
    for body in bodies():
        news(f"one ready task: {body.name}")
        rows.append(body_row(body, rounds, repeats))
    return rows


def body_row(body: Body, rounds: int, repeats: int) -> Row:
    """Medians of rounds that take turns, bare and under control; all of processor time."""
    bare, controlled = [], []
    body.run()
    for _ in range(rounds):
        for _ in range(repeats):
            began = process_time()
            body.run()
            bare.append((process_time() - began) * 1e3)
        execution = timed(body.run, repeats, targets=body.targets)
        controlled.append(execution.seconds * 1e3)
    return Row(
        group=GROUP,
        name=body.name,
        figure=statistics.median(controlled),
        unit="ms",
        beside="ms bare:",
        other=statistics.median(bare),
        bar=BAR,
        note=f"{execution.steps:,.0f} steps",
    )
