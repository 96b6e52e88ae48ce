"""Properties that are computed once: up to Python 3.11 under a lock of their own."""

from __future__ import annotations

import functools
import sys

import pytest

from stress.exploration import explore
from stress.finding import Verdict
from tests.stress.engine.cached import Report
from tests.stress.engine.carriers import CARRIERS
from tests.stress.engine.programs import together


def computed_once() -> None:
    """The class is no target, and its lock is held while the tasks take turns."""
    report = Report()
    together(lambda: report.pages, lambda: report.pages)
    assert report.computed == 1


def of_two_instances() -> None:
    """They share the lock, so that one waits for the other."""
    one, other = Report(), Report()
    together(lambda: one.pages, lambda: other.pages)
    assert (one.pages, other.pages) == (1, 1)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there it has no lock any more")
@pytest.mark.parametrize("program", [computed_once, of_two_instances])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_its_lock_is_under_control(carrier: str, program: object) -> None:
    assert callable(program)
    lock, get = vars(Report)["pages"].lock, vars(functools.cached_property)["__get__"]
    exploration = explore(program, executions=200, carrier=carrier, targets=(__name__,))
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
    assert vars(Report)["pages"].lock is lock
    assert vars(functools.cached_property)["__get__"] is get


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there it has a lock")
def test_without_a_lock_it_is_computed_twice() -> None:
    assert explore(computed_once, targets=(__name__,)).verdict is Verdict.VIOLATED
