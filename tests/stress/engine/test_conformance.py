"""CPython's own tests of its primitives, on ours, in controlled executions."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("greenlet", reason="controlled execution needs hermes-stress[explore]")
lock_tests = pytest.importorskip("test.lock_tests", reason="this Python comes without its tests")

from stress.engine.outcome import Ending
from stress.engine.substitutes import find_holders
from stress.exploration import execute
from stress.strategies.random_walk import RandomWalk

# By name, so that what is called is what stands there during the execution.
SUITES: dict[str, dict[str, Callable[..., Any]]] = {
    "LockTests": {"locktype": lambda: threading.Lock()},
    "RLockTests": {"locktype": lambda: threading.RLock()},
    "EventTests": {"eventtype": lambda: threading.Event()},
    "ConditionTests": {"condtype": lambda *args: threading.Condition(*args)},
    "SemaphoreTests": {"semtype": lambda *args, **kw: threading.Semaphore(*args, **kw)},
    "BoundedSemaphoreTests": {
        "semtype": lambda *args, **kw: threading.BoundedSemaphore(*args, **kw)
    },
    "BarrierTests": {"barriertype": lambda *args, **kw: threading.Barrier(*args, **kw)},
}


def cases(name: str) -> list[unittest.TestCase]:
    types = {attribute: staticmethod(made) for attribute, made in SUITES[name].items()}
    suite = type(name, (getattr(lock_tests, name),), types)
    return list(unittest.defaultTestLoader.loadTestsFromTestCase(suite))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SUITES)
def test_lock_tests(name: str, seed: int) -> None:
    holders = find_holders()
    found = cases(name)
    assert len(found) >= 6
    for number, case in enumerate(found):
        result = unittest.TestResult()
        strategy = RandomWalk(seed)
        strategy.begin(number)
        outcome = execute(lambda: case.run(result), strategy, seed, 1_000_000, holders)  # noqa: B023
        assert outcome.ending is Ending.FINISHED, (case, outcome.waits)
        assert not outcome.failures, (case, outcome.failures)
        assert result.wasSuccessful(), result.failures + result.errors
        assert result.testsRun == 1
