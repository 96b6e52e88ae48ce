"""The cost of a record of the flight recorder, and of a sandbox, beside a call and a fork."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.children import environment
from benchmarks.news import News
from benchmarks.rows import Row
from stress.parallel.flight_recorder import FlightRecorder
from stress.parallel.supervisor import Supervisor
from stress.trial import NullRecorder, Trial


def flight_recorder(quick: bool, news: News) -> list[Row]:
    """Microseconds per record, and per call of an empty Python function."""
    records = 50_000 if quick else 200_000
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
    empty = time.perf_counter() - began
    return [
        Row(
            group="flight recorder",
            name="one record",
            figure=recorded / records * 1e6,
            unit="µs",
            beside="µs of an empty call:",
            other=empty / records * 1e6,
        )
    ]


def empty_trial(trial: Trial, recorder: object) -> dict[str, object]:
    """A program that does nothing: what is left is the cost of a sandbox."""
    return {}


def sandbox(quick: bool, news: News) -> list[Row]:
    """Milliseconds per empty trial, and per bare fork and wait of this process."""
    trials = 50 if quick else 200
    with tempfile.TemporaryDirectory() as scratch:
        with Supervisor(
            "benchmarks.parallel:empty_trial",
            settings={},
            jobs=1,
            trial_timeout_s=60,
            memory_limit_mib=None,
            noise=False,
            directory=Path(scratch),
            environment={"PYTHONPATH": environment()["PYTHONPATH"]},
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
    return [
        Row(
            group="sandbox",
            name="one empty trial",
            figure=sandboxed / trials * 1e3,
            unit="ms",
            beside="ms of a bare fork:",
            other=forked / trials * 1e3,
        )
    ]
