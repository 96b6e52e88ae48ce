"""Executions per second against frontrun on the same programs, in rounds that take turns."""

from __future__ import annotations

import statistics
from collections import defaultdict
from contextlib import ExitStack
from typing import Any

from benchmarks.children import Child, child, peer_is_installed
from benchmarks.news import News
from benchmarks.programs import PROGRAMS
from benchmarks.rows import Bar, Row, number

GROUP = "executions per second, beside frontrun 0.7"
BARS = {"greenlet": Bar(30, aim=100), "thread": Bar(8, aim=20)}
CARRIERS = {"greenlet": "greenlets", "thread": "OS threads"}
PEER_DOORS = ("dpor", "random")
QUICK_PROGRAMS = ("lost update", "3 threads × 3 locked")
_MODULE = "benchmarks.side"


def throughput(quick: bool, news: News) -> list[Row]:
    """A row for each program and carrier."""
    rounds, seconds = (1, 0.2) if quick else (5, 0.5)
    rows = []
    for name in QUICK_PROGRAMS if quick else PROGRAMS:
        rows += program_rows(name, measured(name, rounds, seconds, news))
    return rows


def measured(name: str, rounds: int, seconds: float, news: News) -> dict[str, list[dict[str, Any]]]:
    """By door, what each round gave. A door that does not work is not asked again."""
    doors: dict[str, Child] = {}
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with ExitStack() as stack:
        for door in (*CARRIERS, *(PEER_DOORS if peer_is_installed() else ())):
            news(f"{name}: {door} warms up")
            under_peer = door in PEER_DOORS
            doors[door] = stack.enter_context(child(_MODULE, name, door, under_peer=under_peer))
            # One at a time: it is warm before the next one begins.
            doors[door].read()
        for turn in range(rounds):
            for door, asked in doors.items():
                news(f"{name}: {door}, round {turn + 1} of {rounds}")
                if not any(answer["trouble"] for answer in answers[door]):
                    answers[door].append(asked.ask(str(seconds)))
    return answers


def program_rows(name: str, answers: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Medians of the rounds, and the faster door of the peer."""
    doors = {door: answers[door] for door in PEER_DOORS if door in answers}
    best, note = fastest(doors)
    rows = []
    for carrier, told in CARRIERS.items():
        rate, trouble = rate_of(answers[carrier])
        if trouble:
            raise SystemExit(f"{name} on {told} gave no verdict: {trouble}")
        assert rate is not None
        notes = [note] if note else []
        if best:
            by_cpu = per_cpu_second(answers[carrier]) / per_cpu_second(doors[best[0]])
            notes.insert(0, f"× {number(by_cpu)} by CPU time")
        rows.append(
            Row(
                group=GROUP,
                name=f"{name}, {told}",
                figure=rate,
                unit="/s",
                beside=f"frontrun {best[0]}" if best else "frontrun",
                other=best[1] if best else None,
                bar=BARS[carrier],
                note="; ".join(notes),
            )
        )
    return rows


def fastest(answers: dict[str, list[dict[str, Any]]]) -> tuple[tuple[str, float] | None, str]:
    """Name and rate of the faster door, and which did not work."""
    if not answers:
        return None, "peer not installed"
    rates: dict[str, float] = {}
    broken = []
    for door, told in answers.items():
        rate, trouble = rate_of(told)
        if rate is None:
            # What it does in a second all the same is told, to be judged by whoever reads.
            made = statistics.median(a["executions"] / a["seconds"] for a in told)
            broken.append(f"{door}, {number(made)} /s, is left out: {short(trouble)}")
        else:
            rates[door] = rate
    best = max(rates, key=rates.__getitem__, default=None)
    return (None if best is None else (best, rates[best])), "; ".join(broken)


def rate_of(answers: list[dict[str, Any]]) -> tuple[float | None, str]:
    """Median of executions per second, or what was wrong."""
    for answer in answers:
        if answer["trouble"]:
            return None, str(answer["trouble"])
    return statistics.median(a["executions"] / a["seconds"] for a in answers), ""


def per_cpu_second(answers: list[dict[str, Any]]) -> float:
    """Median of executions per second of processor: what neighbours on the machine change least."""
    return float(statistics.median(a["executions"] / a["cpu_seconds"] for a in answers))


def short(trouble: str, limit: int = 45) -> str:
    """Its first clause."""
    first = trouble.split(". ")[0].split(" before ")[0]
    return first if len(first) <= limit else f"{first[: limit - 1]}…"
