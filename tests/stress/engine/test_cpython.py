"""CPython's own tests of threads, queues and pools, on ours, in controlled executions."""

from __future__ import annotations

import importlib.util
import os
import sys
import unittest
from fnmatch import fnmatchcase

import pytest

pytest.importorskip("test.lock_tests", reason="this Python comes without its tests")

from stress.engine.session import Session
from tests.stress.engine import cpython
from tests.stress.engine.carriers import CARRIERS

_POOLS = "test.test_concurrent_futures"
SUITES: dict[str, tuple[str, ...]] = {
    "thread": ("test.test_thread",),
    "threading": ("test.test_threading",),
    "local": ("test.test_threading_local",),
    "queue": ("test.test_queue",),
    "sched": ("test.test_sched",),
    "futures": (_POOLS,)
    if sys.version_info < (3, 12)
    else tuple(
        f"{_POOLS}.test_{part}"
        for part in ("as_completed", "future", "init", "shutdown", "thread_pool", "wait")
    ),
}
#: At least so many cases run, by Python: fewer, and something is not found any more.
LEAST: dict[str, dict[tuple[int, int], int]] = {
    "thread": {(3, 11): 23, (3, 12): 23, (3, 13): 34},
    "threading": {(3, 11): 156, (3, 12): 158, (3, 13): 165},
    "local": {(3, 11): 20, (3, 12): 20, (3, 13): 20},
    "queue": {(3, 11): 48, (3, 12): 48, (3, 13): 144},
    "sched": {(3, 11): 11, (3, 12): 11, (3, 13): 11},
    "futures": {(3, 11): 50, (3, 12): 50, (3, 13): 58},
}
LEAST_HEAVY = {(3, 11): 4, (3, 12): 4, (3, 13): 16}
PYTHON = min(sys.version_info[:2], max(LEAST_HEAVY))
WIDE = os.environ.get("STRESS_WIDE") == "1"
SEEDS = range(50 if WIDE else 4)


def modules(suite: str) -> tuple[str, ...]:
    """Those of a suite; skips where this Python comes without them."""
    if importlib.util.find_spec(".".join(SUITES[suite][0].split(".")[:2])) is None:
        pytest.skip(f"this Python comes without {SUITES[suite][0]}")
    return SUITES[suite]


def weight(case: unittest.TestCase) -> str:
    """What takes seconds, a hundred threads, is heavy; where they poll as well, it is huge."""
    if not fnmatchcase(case._testMethodName, "test_*many_threads*"):
        return "light"
    return "huge" if case._testMethodName.endswith("_nonblock") else "heavy"


def run(suite: str, carrier: str, seeds: range, *weights: str) -> int:
    """Run the cases of a suite that have one of these weights; how many there were."""
    tally = cpython.run(
        suite,
        modules(suite),
        CARRIERS[carrier],
        seeds,
        lambda case: weight(case) in weights,
    )
    print(
        f"{suite} on {carrier}: {tally.ran} cases with {len(seeds)} seeds each, "
        f"{len(tally.excluded)} excluded, {len(tally.skipped)} skip themselves"
    )
    assert not tally.wrong, "\n\n".join(tally.wrong)
    return tally.ran


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_cpython(carrier: str, suite: str) -> None:
    assert run(suite, carrier, SEEDS, "light") >= LEAST[suite][PYTHON]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_cpython_with_many_threads(carrier: str) -> None:
    weights = ("heavy", "huge") if WIDE else ("heavy",)
    assert run("queue", carrier, range(1), *weights) >= LEAST_HEAVY[PYTHON]


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_excluded_is_there(suite: str) -> None:
    found = cpython.cases(modules(suite))
    for entry in cpython.excluded(suite):
        assert any(cpython.why_excluded(case, [entry]) for case in found), entry.name


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_excluded_would_not_pass(suite: str) -> None:
    entries = [entry for entry in cpython.excluded(suite) if entry.fails]
    found = [case for case in cpython.cases(modules(suite)) if cpython.why_excluded(case, entries)]
    if not found:
        pytest.skip("nothing of it can be tried without harm")
    with cpython.prepared(CARRIERS["thread"], found) as opened:
        for case in found:
            assert any(is_wrong(opened, case, seed) for seed in range(50)), (
                f"{cpython.name_of(case)} passes: take it out of the table"
            )


def is_wrong(opened: Session, case: unittest.TestCase, seed: int) -> bool:
    return bool(cpython.complaint(opened, case, seed, 0)[0])
