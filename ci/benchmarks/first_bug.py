"""Executions to the first bug, beside what was published."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.children import Child, child
from benchmarks.hunted import PUBLISHED, corpus
from benchmarks.news import News
from benchmarks.rows import Bar, Row

YARDSTICKS = "executions to the first bug, means, beside the best published"
CORPUS = "executions to the bug of each wrong program of the corpus, the worst seed"

#: What the portfolio may take of the best that was published of any strategy; of two programs, as
#: many executions at the most.
YARDSTICK = 1.5
EXECUTIONS = {"reorder_100": 10, "twostage_100": 60}
CAP = 10_000
STRATEGIES = ("portfolio", "rff", "dpor", "surw", "pos", "pct", "random")
#: A strategy that finds nothing for so long in one seed is not waited for.
PATIENCE_S = 2.0

SAFE_STACK_PUBLISHED, SAFE_STACK_CAP, SAFE_STACK_SEEDS = 368_921, 1_000_000, 3

MODULE = "benchmarks.hunt"


@dataclass
class Hunt:
    """What came of one program with one strategy, over some seeds."""

    executions: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missed: int = 0
    trouble: str = ""
    #: Seconds that went into the preparation of the process, where that was measured.
    prepared: list[float] = field(default_factory=list)

    def add(self, answer: dict[str, Any] | None) -> bool:
        """Count one seed; gives whether the bug was found."""
        if answer is None:
            self.missed, self.trouble = self.missed + 1, "it hangs or dies"
            return False
        if answer["found"]:
            self.executions.append(answer["executions"])
            self.seconds.append(answer["seconds"])
            self.prepared.append(answer.get("prepared", 0.0))
            return True
        self.missed += 1
        self.trouble = answer["trouble"] or f"not in {answer['executions']:,} executions"
        return False

    @property
    def note(self) -> str:
        """How often, and how fast."""
        told = f"{statistics.median(self.seconds):.3f} s" if self.seconds else self.trouble
        seeds = len(self.executions) + self.missed
        return told + (f", in {len(self.executions)} of {seeds} seeds" if self.missed else "")


def first_bug(quick: bool, news: News) -> list[Row]:
    """The yardsticks with each strategy, and the corpus with the portfolio."""
    seeds = 3 if quick else 20
    rows = []
    for strategy in STRATEGIES[: 1 if quick else None]:
        with child(MODULE, "ours", strategy) as asked:
            asked.read()
            is_ours = strategy == "portfolio"
            patience = 600.0 if is_ours else PATIENCE_S
            for name in PUBLISHED:
                news(f"{strategy}: {name}")
                hunt = hunted(asked, name, seeds, CAP, patience)
                rows.append(yardstick_row(name, strategy, hunt))
            for name in corpus() if is_ours else ():
                news(f"{strategy}: {name}")
                rows.append(corpus_row(name, hunted(asked, name, seeds, CAP, patience)))
    order = {name: place for place, name in enumerate(PUBLISHED)}
    return sorted(rows, key=lambda row: order.get(row.name.partition(",")[0], len(order)))


def hunted(asked: Child, program: str, seeds: int, cap: int, limit_s: float) -> Hunt:
    """One after another; a strategy that misses one program thrice is not asked again."""
    hunt = Hunt()
    for seed in range(seeds):
        question = {"program": program, "seed": seed, "executions": cap, "limit_s": limit_s}
        hunt.add(asked.ask(json.dumps(question)))
        if hunt.missed >= 3:
            break
    return hunt


def safe_stack(quick: bool, news: News) -> list[Row]:
    """The hardest program of the field; it takes minutes, and so is only run when it is named."""
    rows = []
    for seed in range(1 if quick else SAFE_STACK_SEEDS):
        with child(MODULE, "ours", "surw") as asked:
            asked.read()
            news(f"seed {seed}")
            question = {"program": "safe_stack", "seed": seed, "executions": SAFE_STACK_CAP}
            hunt = Hunt()
            hunt.add(asked.ask(json.dumps({**question, "limit_s": 3600.0})))
            rows.append(safe_stack_row(seed, hunt))
    return rows


def safe_stack_row(seed: int, hunt: Hunt) -> Row:
    """Executions beside the mean that was published of SURW, the only one that ever found it."""
    figure = hunt.executions[0] if hunt.executions else float("inf")
    bar = Bar(SAFE_STACK_CAP / SAFE_STACK_PUBLISHED, at_least=False)
    name = f"safe_stack, surw, seed {seed}"
    return Row(YARDSTICKS, name, figure, "", "published", SAFE_STACK_PUBLISHED, bar, hunt.note)


def yardstick_row(name: str, strategy: str, hunt: Hunt) -> Row:
    """The mean of the seeds that found it. Only the portfolio has a bar, and has to find all."""
    figure = statistics.mean(hunt.executions) if hunt.executions else float("inf")
    bar = None
    if strategy == "portfolio":
        limit = min(YARDSTICK, EXECUTIONS.get(name, float("inf")) / PUBLISHED[name])
        bar = Bar(limit if not hunt.missed else 0.0, at_least=False)
    return Row(
        YARDSTICKS, f"{name}, {strategy}", figure, "", "published", PUBLISHED[name], bar, hunt.note
    )


def corpus_row(name: str, hunt: Hunt) -> Row:
    """The most that a seed took."""
    worst = max(hunt.executions) if hunt.executions and not hunt.missed else float("inf")
    return Row(CORPUS, name, worst, "", bar=Bar(CAP, at_least=False), note=hunt.note)
