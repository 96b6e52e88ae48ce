"""Seconds to the first bug, beside the peers."""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
from contextlib import ExitStack

from benchmarks.children import Child, child
from benchmarks.first_bug import MODULE, Hunt
from benchmarks.hunted import corpus
from benchmarks.news import News
from benchmarks.rows import Bar, Row, number

GROUP = "seconds to the first bug, medians, beside the faster door of a peer"
#: Executions and seconds that each tool has.
CAP, LIMIT_S = 2_000, 5.0
#: A peer that does not answer by then hangs, and is ended.
HANGS_S = 20.0
DOORS = {"frontrun": ("dpor", "random"), "interleave": ("pct", "random")}
PACKAGES = {"frontrun": "frontrun", "interleave": "interleave_test"}
NEEDS = {"interleave": (3, 12)}
FASTER = Bar(1, at_least=False)


def beside_peers(quick: bool, news: News) -> list[Row]:
    """Each wrong program of the corpus with the defaults of each tool."""
    seeds = 1 if quick else 3
    rows = []
    for peer, doors in DOORS.items():
        if not is_installed(peer):
            rows.append(missing_row(peer))
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
            "program": program, "seed": seed, "executions": CAP, "limit_s": LIMIT_S,
        }  # fmt: skip
        answer = asked.ask_in_time(json.dumps(question), HANGS_S)
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
        return Row(GROUP, name, figure, "s", peer, None, None, f"{peer} fails: {told}"[:120])
    why = "" if figure <= medians[best] else why_slower(ours, theirs[best])
    return Row(GROUP, name, figure, "s", f"{peer} {best}", medians[best], FASTER, why)


def why_slower(ours: Hunt, theirs: Hunt) -> str:
    """What our time went into, beside theirs."""
    if ours.missed:
        return ours.note
    here, there = (statistics.median(hunt.executions) for hunt in (ours, theirs))
    told = f"{number(here)} executions here, {number(there)} there"
    before = statistics.median(ours.prepared) if ours.prepared else 0.0
    return f"{told}; to prepare the process {number(before)} s here" if before else told


def _opened(stack: ExitStack, tool: str, door: str) -> Child:
    opened = stack.enter_context(child(MODULE, tool, door, under_peer=tool == "frontrun"))
    opened.read()
    return opened


def missing_row(peer: str) -> Row:
    """No bar is met without the peer; where it cannot be had, there is none."""
    too_old = sys.version_info < NEEDS.get(peer, (3, 11))
    why = f"needs Python {'.'.join(map(str, NEEDS[peer]))}" if too_old else "peer not installed"
    bar = None if too_old else FASTER
    return Row(GROUP, "all programs", float("inf"), "s", peer, None, bar, why)


def is_installed(peer: str) -> bool:
    """Not by an import: that replaces locks."""
    return importlib.util.find_spec(PACKAGES[peer]) is not None
