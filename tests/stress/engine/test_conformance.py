"""CPython's own tests of its primitives, on ours, in controlled executions."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from typing import Any

import pytest

lock_tests = pytest.importorskip("test.lock_tests", reason="this Python comes without its tests")

from stress.engine.outcome import Ending
from stress.engine.session import session
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.carriers import CARRIERS

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
@pytest.mark.parametrize("carrier", CARRIERS)
def test_lock_tests(carrier: str, name: str, seed: int) -> None:
    found = cases(name)
    assert len(found) >= 6
    with session(CARRIERS[carrier]) as opened:
        for number, case in enumerate(found):
            result = unittest.TestResult()
            strategy = RandomWalk(seed)
            strategy.begin(number)
            outcome = opened.execute(
                lambda: case.run(result),  # noqa: B023
                strategy.choose,
                seed=seed,
                step_limit=1_000_000,
            )
            assert outcome.ending is Ending.FINISHED, (case, outcome.waiting)
            assert not outcome.failures, (case, outcome.failures)
            assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]
            assert result.testsRun == 1
