"""A soak: random executions of every program of the corpus, each made twice and compared.

`python ci/soak.py [--executions N] [--carrier greenlet|thread|both] [--program NAME …]`; exit code
1 where an execution did not come out the same with the same choices, or where something was left
behind or not put back. A program that hangs ends the soak, with the stacks of all threads.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from soaking.executions import Tally, soak
from soaking.surroundings import changes, picture

from stress.controlled import laboratory
from tests.corpus import CASES
from tests.stress.engine import programs
from tests.stress.engine.carriers import CARRIERS

Program = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One program on one carrier."""

    program: str
    carrier: str
    tally: Tally
    seconds: float

    def __str__(self) -> str:
        tally = self.tally
        rate = tally.executions / self.seconds if self.seconds else 0.0
        verdict = "same" if not tally.differences else f"{len(tally.differences)} DIFFERENCES"
        return (
            f"{self.program:34} {self.carrier:9} {tally.executions:7} executions "
            f"{tally.wrong:6} wrong {tally.replayed:4} schedules {tally.steps:9} steps "
            f"{rate:7.0f}/s  {verdict}"
        )


def all_programs() -> dict[str, Program]:
    """Every program there is, by a name that tells it apart."""
    found = [*programs.WRONG, *programs.RIGHT, *(case.program for case in CASES)]
    return {f"{p.__module__.rpartition('.')[2]}.{p.__name__}": p for p in found}


def examine(name: str, carrier: str, executions: int, limit_s: float | None = None) -> Row:
    """Soak one program; the process must be the same before and after. Ends the process after
    `limit_s`, with the stacks of all threads."""
    program = all_programs()[name]
    # What a first time fills, caches of imports, is no part of the comparison.
    with laboratory(program, None, carrier) as lab:
        soak(lab, program, 2)
    before = picture()
    if limit_s is not None:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=sys.__stderr__)
    began = time.monotonic()
    try:
        with laboratory(program, None, carrier) as lab:
            tally = soak(lab, program, executions)
    finally:
        if limit_s is not None:
            faulthandler.cancel_dump_traceback_later()
    tally.differences += changes(before, picture())
    return Row(name, carrier, tally, time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak what is asked for, a line each, and say whether everything was the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=10_000, metavar="N")
    parser.add_argument("--carrier", choices=["greenlet", "thread", "both"], default="both")
    parser.add_argument("--program", nargs="+", default=[], metavar="NAME")
    parser.add_argument(
        "--limit", type=float, default=900.0, metavar="SECONDS",
        help="a program that takes longer hangs: the stacks of all threads are printed; 0: none",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    known = all_programs()
    chosen = [n for n in known if not options.program or matches(n, options.program)]
    if not chosen:
        parser.error(f"there is no such program; choose of {', '.join(known)}")
    carriers = [c for c in CARRIERS if options.carrier in (c, "both")]
    if not carriers:
        parser.error(f"this Python has no {options.carrier}")
    rows = []
    for carrier in sorted(carriers):
        for name in chosen:
            row = examine(name, carrier, options.executions, options.limit or None)
            rows.append(row)
            print(row, flush=True)
            for difference in row.tally.differences:
                print(f"    {difference}", flush=True)
    return conclude(rows)


def matches(name: str, wanted: Sequence[str]) -> bool:
    """Whether a program is one of those: by its whole name, its family, or its own name."""
    return any(word in (name, *name.split(".")) for word in wanted)


def conclude(rows: Sequence[Row]) -> int:
    """Print the sum; the exit code."""
    print()
    for carrier in sorted({row.carrier for row in rows}):
        mine = [row for row in rows if row.carrier == carrier]
        tallies = [row.tally for row in mine]
        print(
            f"{carrier}: {len(mine)} programs, {sum(t.executions for t in tallies)} executions, "
            f"each made twice; {sum(t.steps for t in tallies)} steps; "
            f"{sum(t.replayed for t in tallies)} replayed by their schedule; "
            f"{sum(row.seconds for row in mine):.0f} s"
        )
    different = [row for row in rows if row.tally.differences]
    print(f"programs with differences: {len(different)}")
    for row in different:
        print(row)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
