"""Resident memory over many executions of a small program: it must not grow.

`python -m benchmarks.memory CARRIER FROM TO` is the child: it writes a line of JSON now and then.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.children import child
from benchmarks.news import News
from benchmarks.rows import Bar, Row

GROUP = "resident memory over executions"
#: MiB. Ten times the executions, or more, may cost what an allocator does not give back.
BAR = Bar(5, at_least=False)
#: From how many executions to how many.
SPANS = {"greenlet": (10_000, 100_000), "thread": (10_000, 100_000)}
QUICK_SPANS = {"greenlet": (1_000, 10_000), "thread": (500, 3_000)}
CARRIERS = {"greenlet": "greenlets", "thread": "OS threads"}


def memory(quick: bool, news: News) -> list[Row]:
    """A row for each carrier. They run side by side: nothing here is timed."""
    spans = QUICK_SPANS if quick else SPANS
    with ExitStack() as stack:
        children = {
            carrier: stack.enter_context(child("benchmarks.memory", carrier, *map(str, span)))
            for carrier, span in spans.items()
        }
        last: dict[str, dict[str, Any]] = {c: {"executions": 0} for c in children}
        while waiting := [c for c in children if "after" not in last[c]]:
            for carrier in waiting:
                last[carrier] = children[carrier].read()
            done = ", ".join(
                f"{last[carrier]['executions']:,} executions on {CARRIERS[carrier]}"
                for carrier in children
            )
            news(f"memory: {done}")
    return [memory_row(carrier, *spans[carrier], last[carrier]) for carrier in children]


def memory_row(carrier: str, start: int, end: int, told: dict[str, Any]) -> Row:
    """How much it grew between the two."""
    return Row(
        group=GROUP,
        name=f"growth from {start:,} to {end:,}, {CARRIERS[carrier]}",
        figure=told["after"] - told["before"],
        unit="MiB",
        bar=BAR,
        note=f"{told['before']:.1f} MiB before, {told['after']:.1f} after",
    )


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Explore, and look at the memory on the way."""
    from benchmarks.programs import small_program
    from stress.exploration import Progress, explore

    carrier, start, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    before = 0.0

    def look(progress: Progress) -> None:
        nonlocal before
        if progress.executions >= start and not before:
            before = resident_mib()
        if progress.executions % 512 < 64:
            print(json.dumps({"executions": progress.executions}), flush=True)

    found = explore(
        small_program, strategy="random", executions=end, carrier=carrier, on_progress=look
    )
    if found.findings or found.statistics.executions < end:
        raise SystemExit(f"{found.reason} {found.findings[:1]}")
    after = resident_mib()
    print(json.dumps({"executions": end, "before": before, "after": after}), flush=True)


if __name__ == "__main__":
    main()
