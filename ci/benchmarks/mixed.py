"""Trials per second of the mixed workload, beside the same plans without the harness.

`python -m benchmarks.mixed SEED …` is the bare side: it writes its seconds to standard error.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.children import environment as with_benchmarks
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.api import trial_seed
from stress.parallel.supervisor import Supervisor
from stress.trial import NullRecorder, Trial
from stress.workloads.catalogue import FAMILIES, WORKLOADS
from stress.workloads.endpoint import serve_endpoint
from stress.workloads.performance import perform
from stress.workloads.warm_up import warm_up

BAR = Bar(0.85)


def mixed(quick: bool, news: News) -> list[Row]:
    """Medians of rounds that take turns, bare and in the harness."""
    rounds, trials = (1, 6) if quick else (5, 12)
    bare_rates, harness_rates, ratios = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with serve_endpoint(directory / "endpoint") as endpoint:
            environment = dict(endpoint.environment())
            with Supervisor(
                "stress.program:run_plan",
                settings={"prepare": "stress.workloads.warm_up:warm_up", "keep": "violations"},
                jobs=1,
                trial_timeout_s=60,
                memory_limit_mib=None,
                noise=False,
                directory=directory / "sandbox",
                environment=environment,
            ) as supervisor:
                for number in range(rounds):
                    news(f"mixed workload: round {number + 1} of {rounds}")
                    seeds = [trial_seed(number, index) for index in range(trials)]
                    in_harness(supervisor, seeds[:1])
                    bare = bare_in_process_of_its_own(environment, seeds)
                    harness = in_harness(supervisor, seeds)
                    ratios.append(bare / harness)
                    bare_rates.append(trials / bare)
                    harness_rates.append(trials / harness)
    # The ratio of the medians would mix rounds; so what stands beside it fits the median ratio.
    rate = statistics.median(harness_rates)
    return [
        Row(
            group="mixed workload",
            name="throughput in the harness",
            figure=rate,
            unit="trials/s",
            beside="bare",
            other=rate / statistics.median(ratios),
            bar=BAR,
            note=f"median {statistics.median(bare_rates):.2f}",
        )
    ]


def in_harness(supervisor: Supervisor, seeds: list[int]) -> float:
    """Seconds of these trials."""
    payload = {"workload": "mixed", "size": 1, "mutant": None}
    began = time.perf_counter()
    records = list(supervisor.run([Trial(i, seed, payload) for i, seed in enumerate(seeds)]))
    elapsed = time.perf_counter() - began
    bad = [record for record in records if record.condition.value != "finished"]
    if bad:
        raise SystemExit(f"a trial of the benchmark ended {bad[0].condition}")
    return elapsed


def bare_in_process_of_its_own(environment: dict[str, str], seeds: list[int]) -> float:
    """The bare run, warm and with its output in a file, as a trial has it."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.mixed", *map(str, seeds)],
            env={**os.environ, **environment, "PYTHONPATH": with_benchmarks()["PYTHONPATH"]},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stderr.strip().splitlines()[-1])


def seconds_bare(seeds: list[int]) -> float:
    """Time of the plans of `seeds`, one after the other, with nothing of the harness around."""
    warm_up()
    began = time.perf_counter()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as directory:
            plan = WORKLOADS["mixed"].draw(seed, 1)
            perform(plan, FAMILIES, Path(directory), NullRecorder(), judged=False)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(seconds_bare([int(seed) for seed in sys.argv[1:]]), file=sys.stderr)
