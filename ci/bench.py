"""Benchmarks. Each figure is a ratio, or stands beside a floor that was measured in the same run.

`python ci/bench.py [--rounds N] [--trials N]`; exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import greenlet

from stress.api import trial_seed
from stress.exploration import explore
from stress.parallel.flight_recorder import FlightRecorder
from stress.parallel.supervisor import Supervisor
from stress.trial import NullRecorder, Trial
from stress.workloads.catalogue import FAMILIES, WORKLOADS
from stress.workloads.endpoint import serve_endpoint
from stress.workloads.performance import perform
from stress.workloads.warm_up import warm_up

THROUGHPUT_BAR = 0.85
STEP_AIM = 4


def seconds_bare(seeds: list[int]) -> float:
    """Time of the plans of `seeds`, one after the other, with nothing of the harness around."""
    warm_up()
    began = time.perf_counter()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as directory:
            plan = WORKLOADS["mixed"].draw(seed, 1)
            perform(plan, FAMILIES, Path(directory), NullRecorder(), judged=False)
    return time.perf_counter() - began


def bare_in_process_of_its_own(environment: dict[str, str], seeds: list[int]) -> float:
    """The bare run, warm and with its output in a file, as a trial has it."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [sys.executable, __file__, "--bare", ",".join(map(str, seeds))],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stderr.strip().splitlines()[-1])


def throughput(rounds: int, trials: int) -> tuple[float, float, float]:
    """Ratio of harness to bare throughput (median of rounds), and both rates in trials/s."""
    ratios, bare_rates, harness_rates = [], [], []
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
                    seeds = [trial_seed(number, index) for index in range(trials)]
                    payload = {"workload": "mixed", "size": 1, "mutant": None}
                    warm = [Trial(0, seeds[0], payload)]
                    list(supervisor.run(warm))
                    bare = bare_in_process_of_its_own(environment, seeds)
                    began = time.perf_counter()
                    plan = [Trial(i, seed, payload) for i, seed in enumerate(seeds)]
                    records = list(supervisor.run(plan))
                    harness = time.perf_counter() - began
                    bad = [r for r in records if r.condition.value != "finished"]
                    if bad:
                        raise SystemExit(f"a trial of the benchmark ended {bad[0].condition}")
                    ratios.append(bare / harness)
                    bare_rates.append(trials / bare)
                    harness_rates.append(trials / harness)
    return (
        statistics.median(ratios),
        statistics.median(bare_rates),
        statistics.median(harness_rates),
    )


def empty_trial(trial: Trial, recorder: object) -> dict[str, object]:
    """A program that does nothing: what is left is the cost of a sandbox."""
    return {}


def sandbox_overhead(trials: int) -> tuple[float, float]:
    """Milliseconds per empty trial, and per bare fork and wait of this process."""
    with tempfile.TemporaryDirectory() as scratch:
        with Supervisor(
            "bench:empty_trial",
            settings={},
            jobs=1,
            trial_timeout_s=60,
            memory_limit_mib=None,
            noise=False,
            directory=Path(scratch),
            environment={"PYTHONPATH": str(Path(__file__).parent)},
        ) as supervisor:
            list(supervisor.run([Trial(0, 0, {})]))
            began = time.perf_counter()
            list(supervisor.run(Trial(i, i, {}) for i in range(trials)))
            sandboxed = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(trials):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    forked = time.perf_counter() - began
    return sandboxed / trials * 1e3, forked / trials * 1e3


def recorder_cost(records: int) -> tuple[float, float]:
    """Microseconds per record, and per call of an empty Python function."""
    with tempfile.TemporaryDirectory() as scratch:
        recorder = FlightRecorder.create(Path(scratch) / "recorder.bin", 1)
        began = time.perf_counter()
        for _ in range(records):
            recorder.note("somewhere")
        recorded = time.perf_counter() - began
    nothing = NullRecorder()
    began = time.perf_counter()
    for _ in range(records):
        nothing.note("somewhere")
    return recorded / records * 1e6, (time.perf_counter() - began) / records * 1e6


class Box:
    """Shared state for the benchmark of the engine."""

    value = 0


def two_writers() -> None:
    """Two tasks, and a thousand writes of each that the other could see."""
    box = Box()

    def work() -> None:
        for _ in range(1000):
            box.value = 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def switch_and_call(count: int) -> float:
    """Microseconds of a bare greenlet switch and a bare Python call of three arguments."""
    caller = greenlet.getcurrent()

    def back() -> None:
        while True:
            caller.switch()

    def nothing(a: int, b: int, c: int) -> None:
        pass

    other = greenlet.greenlet(back)
    began = time.perf_counter()
    for _ in range(count):
        other.switch()
    switched = (time.perf_counter() - began) / 2
    began = time.perf_counter()
    for _ in range(count):
        nothing(1, 2, 3)
    return (switched + time.perf_counter() - began) / count * 1e6


def step_cost(executions: int) -> tuple[float, float]:
    """Microseconds of one scheduling step on greenlets, and of its floor; medians of rounds."""
    steps, floors = [], []
    for seed in range(executions):
        explored = explore(two_writers, executions=3, seed=seed)
        steps.append(3e6 / explored.executions_per_s / explored.steps)
        floors.append(switch_and_call(20_000))
    return statistics.median(steps), statistics.median(floors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the throughput ratio")
    parser.add_argument("--trials", type=int, default=12, help="trials of each round")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        seconds = seconds_bare([int(seed) for seed in options.bare.split(",")])
        print(seconds, file=sys.stderr)
        return 0
    microseconds, floor = recorder_cost(200_000)
    print(f"flight recorder     {microseconds:6.2f} µs a record      (empty call {floor:.2f} µs)")
    milliseconds, floor = sandbox_overhead(200)
    print(f"sandbox             {milliseconds:6.2f} ms a trial       (bare fork {floor:.2f} ms)")
    microseconds, floor = step_cost(9)
    print(
        f"scheduling step     {microseconds / floor:6.2f} of its floor     "
        f"({microseconds:.2f} µs; bare switch and call {floor:.2f} µs; aim {STEP_AIM})"
    )
    ratio, bare, harness = throughput(options.rounds, options.trials)
    print(
        f"mixed, throughput   {ratio:6.2f} of bare          "
        f"(bare {bare:.2f}, harness {harness:.2f} trials/s; bar {THROUGHPUT_BAR})"
    )
    return 0 if ratio >= THROUGHPUT_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
