"""Benchmarks. Each figure is a ratio, or stands beside a floor that was measured in the same run.

`python ci/bench.py [--only NAME …] [--quick] [--json]`; exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from benchmarks.first_bug import beside_peers, first_bug
from benchmarks.memory import memory
from benchmarks.mixed import mixed
from benchmarks.news import News
from benchmarks.parallel import flight_recorder, sandbox
from benchmarks.rows import Row, as_json, exit_code, print_rows, print_sum
from benchmarks.scaling import scaling
from benchmarks.single_task import single_task
from benchmarks.step import step
from benchmarks.throughput import throughput
from benchmarks.twins import clean
from stress.engine import is_compiled

#: Where there is no terminal.
LOG_WIDTH = 140

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
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, print it, and say whether all bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME",
        help=f"which benchmarks to run: {', '.join(BENCHMARKS)}",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="rough figures in a minute")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    news = News(Console(stderr=True))
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    if not options.json:
        how = "compiled" if is_compiled() else "not compiled: see setup.py"
        console.print(f"the engine's core is {how}")
    rows: list[Row] = []
    for name in options.only or BENCHMARKS:
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
    return exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
