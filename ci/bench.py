"""Benchmarks. Each figure is a ratio, or stands beside a floor that was measured in the same run.

`python ci/bench.py [--only NAME …] [--quick] [--json] [--markdown FILE]`;
exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.detectors import detectors
from benchmarks.first_bug import first_bug, safe_stack
from benchmarks.linearizability import linearizability
from benchmarks.memory import memory
from benchmarks.mixed import mixed
from benchmarks.news import News
from benchmarks.parallel import flight_recorder, sandbox
from benchmarks.peers import beside_peers
from benchmarks.rows import Row, as_json, as_markdown, exit_code, print_rows, print_sum
from benchmarks.scaling import scaling
from benchmarks.single_task import single_task
from benchmarks.step import step
from benchmarks.throughput import throughput
from benchmarks.twins import clean
from stress.engine import is_compiled

#: Where there is no terminal.
LOG_WIDTH = 140

#: It takes too long to run with all others.
ALONE = frozenset({"safe-stack"})

Benchmark = Callable[[bool, News], list[Row]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "throughput": throughput,
    "step": step,
    "single-task": single_task,
    "scaling": scaling,
    "memory": memory,
    "flight-recorder": flight_recorder,
    "sandbox": sandbox,
    "mixed": mixed,
    "first-bug": first_bug,
    "peers": beside_peers,
    "twins": clean,
    "detectors": detectors,
    "linearizability": linearizability,
    "safe-stack": safe_stack,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, print it, and say whether all bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME",
        help=f"which benchmarks to run: {', '.join(BENCHMARKS)} (default: all but safe-stack)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="rough figures in a minute")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    options = parser.parse_args(arguments)
    news = News(Console(stderr=True))
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    if not options.json:
        how = "compiled" if is_compiled() else "not compiled: see setup.py"
        console.print(f"the engine's core is {how}")
    rows: list[Row] = []
    for name in options.only or [name for name in BENCHMARKS if name not in ALONE]:
        news(name)
        found = BENCHMARKS[name](options.quick, news)
        rows += found
        news.clear()
        if not options.json:
            print_rows(console, found)
    if options.json:
        print(as_json(rows))
    else:
        print_sum(console, rows)
    if options.markdown:
        options.markdown.write_text(page(rows), encoding="utf-8")
    return exit_code(rows)


def page(rows: Sequence[Row]) -> str:
    """A page of the docs, with what it was measured on."""
    how = "compiled" if is_compiled() else "not compiled"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        "# Figures\n\n"
        f"Written by `ci/bench.py --markdown`, on {python}, {os.cpu_count()} cores; the "
        f"engine's core was {how}. A figure stands beside a floor, a peer, or what was published; "
        "the ratio is what the bar is about.\n\n" + as_markdown(rows)
    )


if __name__ == "__main__":
    sys.exit(main())
