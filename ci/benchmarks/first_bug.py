"""Executions and seconds to the first bug: beside what was published, and beside the peers."""

from __future__ import annotations

import importlib.util
import json
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.children import Child, child, peer_is_installed
from benchmarks.hunted import PUBLISHED, corpus
from benchmarks.news import News
from benchmarks.rows import Bar, Row

YARDSTICKS = "executions to the first bug, means, beside the best published"
CORPUS = "executions to the bug of each wrong program of the corpus, the worst seed"
PEERS = "seconds to the first bug, medians, beside the faster door of a peer"

#: Of a strategy against the best that was published of any.
YARDSTICK = Bar(1.5, at_least=False)
#: Of two programs in executions.
EXECUTIONS = {"reorder_100": 10, "twostage_100": 60}
CAP = 10_000
STRATEGIES = ("portfolio", "rff", "dpor", "surw", "pos", "pct", "random")
#: A strategy that finds nothing for so long in one seed is not waited for.
PATIENCE_S = 2.0

SAFE_STACK_PUBLISHED, SAFE_STACK_CAP, SAFE_STACK_SEEDS = 368_921, 1_000_000, 3

#: Executions and seconds that each tool has beside the peers.
PEER_CAP, PEER_LIMIT_S = 2_000, 5.0
#: A peer that does not answer by then hangs, and is ended.
PEER_HANGS_S = 20.0
DOORS = {"frontrun": ("dpor", "random"), "interleave": ("pct", "random")}
PACKAGES = {"frontrun": "frontrun", "interleave": "interleave_test"}
FASTER = Bar(1, at_least=False)
_MODULE = "benchmarks.hunt"


@dataclass
class Hunt:
    """What came of one program with one strategy, over some seeds."""

    executions: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missed: int = 0
    trouble: str = ""

    def add(self, answer: dict[str, Any] | None) -> bool:
        """Count one seed; gives whether the bug was found."""
        if answer is None:
            self.missed, self.trouble = self.missed + 1, "it hangs"
            return False
        if answer["found"]:
            self.executions.append(answer["executions"])
            self.seconds.append(answer["seconds"])
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
        with child(_MODULE, "ours", strategy) as asked:
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
        with child(_MODULE, "ours", "surw") as asked:
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
        limit = min(1.5, EXECUTIONS.get(name, float("inf")) / PUBLISHED[name])
        bar = Bar(limit if not hunt.missed else 0.0, at_least=False)
    return Row(
        YARDSTICKS, f"{name}, {strategy}", figure, "", "published", PUBLISHED[name], bar, hunt.note
    )


def corpus_row(name: str, hunt: Hunt) -> Row:
    """The most that a seed took."""
    worst = max(hunt.executions) if hunt.executions and not hunt.missed else float("inf")
    return Row(CORPUS, name, worst, "", bar=Bar(CAP, at_least=False), note=hunt.note)


def beside_peers(quick: bool, news: News) -> list[Row]:
    """Each wrong program of the corpus with the defaults of each tool."""
    seeds = 1 if quick else 3
    rows = []
    for peer, doors in DOORS.items():
        if not (peer_is_installed() if peer == "frontrun" else _has(PACKAGES[peer])):
            why = "not installed" + ("; it needs Python 3.12" if peer == "interleave" else "")
            rows.append(Row(PEERS, "all programs", float("nan"), "", peer, None, None, why))
            continue
        with ExitStack() as stack:
            asked = {"ours": _opened(stack, "ours", "portfolio")}
            for name in corpus()[: 3 if quick else None]:
                found = {}
                for door in ("ours", *doors):
                    news(f"{name}: {peer if door != 'ours' else ''} {door}")
                    if door not in asked:
                        asked[door] = _opened(stack, peer, door)
                    found[door], alive = in_time(asked[door], name, seeds)
                    if not alive:
                        del asked[door]
                rows.append(peer_row(name, peer, found.pop("ours"), found))
    return rows


def in_time(asked: Child, program: str, seeds: int) -> tuple[Hunt, bool]:
    """What came of it, and whether the child is alive. Who misses a program once is not asked
    again for it."""
    hunt = Hunt()
    for seed in range(seeds):
        question = {
            "program": program, "seed": seed, "executions": PEER_CAP, "limit_s": PEER_LIMIT_S,
        }  # fmt: skip
        answer = asked.ask_in_time(json.dumps(question), PEER_HANGS_S)
        if not hunt.add(answer):
            return hunt, answer is not None
    return hunt, True


def peer_row(name: str, peer: str, ours: Hunt, theirs: dict[str, Hunt]) -> Row:
    """Ours beside the faster of the doors that found it each time; where none did, why."""
    figure = statistics.median(ours.seconds) if not ours.missed else float("inf")
    medians = {
        door: statistics.median(hunt.seconds) for door, hunt in theirs.items() if not hunt.missed
    }
    best = min(medians, key=medians.__getitem__, default=None)
    if best is None:
        told = "; ".join(f"{door}: {hunt.trouble}" for door, hunt in theirs.items())
        return Row(PEERS, name, figure, "s", peer, None, None, f"{peer} fails: {told}"[:120])
    return Row(PEERS, name, figure, "s", f"{peer} {best}", medians[best], FASTER)


def _opened(stack: ExitStack, tool: str, door: str) -> Child:
    opened = stack.enter_context(child(_MODULE, tool, door, under_peer=tool == "frontrun"))
    opened.read()
    return opened


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
