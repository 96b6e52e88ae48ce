"""Write docs/known-races.md: trials and seconds to the first finding of each known race.

`python ci/known_races.py [--seeds N] [--time SECONDS]`; exit code 1 where one was not found.
"""

from __future__ import annotations

import argparse
import platform
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from stress.api import Run, RunOptions, run

PAGE = Path(__file__).parent.parent / "docs" / "known-races.md"

#: The workload that each race is looked for in: the one that a user would choose for it.
RACES = {
    "redirect_stdout": "console",
    "build_in_worker": "delegate_batches",
    "session_db_unlocked": "session_writes",
    "children_unlocked": "interrupt_storms",
    "client_cache_unlocked": "client_resolution",
}


def first_finding(mutant: str, workload: str, seed: int, limit_s: float) -> tuple[Run, float]:
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        outcome = run(
            RunOptions(
                workload=workload,
                mutant=mutant,
                seed=seed,
                time_limit_s=limit_s,
                jobs=2,
                findings_directory=Path(directory),
                stop_on_first=True,
            )
        )
        return outcome, time.monotonic() - began


def row(mutant: str, workload: str, seeds: int, limit_s: float) -> tuple[str, bool]:
    trials, seconds, what = [], [], {}
    for seed in range(seeds):
        outcome, elapsed = first_finding(mutant, workload, seed, limit_s)
        if not outcome.findings:
            print(f"{mutant} in {workload}, seed {seed}: not found in {elapsed:.0f} s")
            continue
        finding = outcome.findings[0]
        trials.append(outcome.statistics.trials)
        seconds.append(elapsed)
        label = f"{finding.kind.value}: {finding.oracle or finding.place}"
        what[label] = what.get(label, 0) + 1
        print(f"{mutant} in {workload}, seed {seed}: {finding.id} after {elapsed:.1f} s")
    common = max(what, key=lambda label: what[label]) if what else "–"
    found = f"{len(trials)} of {seeds}"
    if not trials:
        return f"| `{mutant}` | `{workload}` | {found} | – | – | – |", False
    line = (
        f"| `{mutant}` | `{workload}` | {found} | {statistics.median(trials):.0f} "
        f"({max(trials)}) | {statistics.median(seconds):.1f} ({max(seconds):.1f}) | {common} |"
    )
    return line, len(trials) == seeds


def segmentation_faults(seeds: int, trials: int) -> tuple[str, bool]:
    """How often race 1 is a captured SIGSEGV; a Python that has the fix of gh-130163 has none."""
    counts = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as directory:
            outcome = run(
                RunOptions(
                    workload="console",
                    mutant="redirect_stdout",
                    seed=seed,
                    trials=trials,
                    jobs=2,
                    findings_directory=Path(directory),
                )
            )
        faults = [f.count for f in outcome.findings if f.signal == signal.SIGSEGV]
        counts.append(sum(faults))
        print(f"redirect_stdout in console, seed {seed}: {counts[-1]} SIGSEGV in {trials} trials")
    line = (
        f"Race 1 as what it was: of {seeds} runs of {trials} trials of `console` with "
        f"`redirect_stdout`, {sum(map(bool, counts))} captured a SIGSEGV; "
        f"{sum(counts)} of {seeds * trials} trials ended in one."
    )
    return line, all(counts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--time", type=float, default=60.0, help="limit of one run, in seconds")
    options = parser.parse_args()
    rows, complete = [], True
    for workloads in (RACES, dict.fromkeys(RACES, "mixed")):
        for mutant, workload in workloads.items():
            line, found = row(mutant, workload, options.seeds, options.time)
            rows.append(line)
            complete &= found
    faults, found = segmentation_faults(options.seeds, trials=20)
    complete &= found
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        "# The five known races, found by `hermes-stress run`\n\n"
        f"Written by `ci/known_races.py`: {options.seeds} seeds each, two jobs, at most "
        f"{options.time:g} s a run, CPython {platform.python_version()}, sandbox start-up "
        "included. Median, and the worst in brackets.\n\n"
        "| mutant | workload | found | trials to first finding | seconds | usual finding |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + f"\n\n{faults}\n",
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
