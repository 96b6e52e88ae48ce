"""CPython's own tests of `sqlite3`, on our connections, in controlled executions."""

from __future__ import annotations

import importlib
import inspect
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("test.test_sqlite3", reason="this Python comes without its tests")

from stress.engine.outcome import Ending
from stress.engine.session import Session, session
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.carriers import CARRIERS

MODULES = (
    "backup", "dbapi", "dump", "factory", "hooks", "regression", "transactions", "types",
    "userfunctions",
)  # fmt: skip
#: What a test that we leave out has in its source. A deprecation that C code warns of is told of
#: our file, and not of the caller's; other processes are not under control.
LEFT_OUT = ("cm.filename", "subprocess", "assert_python_ok", "SuppressedCoreFiles", "Popen")


def cases(suite: unittest.TestSuite) -> Iterator[Any]:
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from cases(one)
        elif not any(words in inspect.getsource(_method(one)) for words in LEFT_OUT):
            yield one


def _method(case: Any) -> Any:
    return inspect.unwrap(getattr(type(case), case._testMethodName))


def run(opened: Session, case: Any) -> None:
    result = unittest.TestResult()
    strategy = RandomWalk(0)
    strategy.begin(0)
    outcome = opened.execute(lambda: case.run(result), strategy.choose)
    bad = [*result.errors, *result.failures]
    assert not bad, bad[0][1]
    assert outcome.ending is Ending.FINISHED
    assert outcome.failures == ()


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", MODULES)
def test_it_is_still_sqlite3(name: str, carrier: str) -> None:
    module = importlib.import_module(f"test.test_sqlite3.test_{name}")
    suite = list(cases(unittest.defaultTestLoader.loadTestsFromModule(module)))
    assert len(suite) >= 5
    with warnings.catch_warnings(), session(CARRIERS[carrier]) as opened:
        warnings.simplefilter("ignore")
        for case in suite:
            run(opened, case)
