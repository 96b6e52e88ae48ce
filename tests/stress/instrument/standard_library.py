"""Runs tests of the standard library in a process of its own, and prints what became of each.

    python -m tests.stress.instrument.standard_library [--instrument TARGET]... MODULE...

Each line is a test, a tab and its outcome; the last line counts the calls of hooks.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import unittest
from collections.abc import Iterator
from typing import Any

from stress.instrument import Hooks, instrumented


class Outcomes(unittest.TestResult):
    """Every test with what became of it; subtests that failed by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.details: list[str] = []

    def _note(self, test: Any, outcome: str) -> None:
        self.outcomes[str(test)] = outcome

    def addSuccess(self, test: Any) -> None:
        self.outcomes.setdefault(str(test), "ok")

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, f"failed: {err[0].__name__}")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._note(test, f"failed: {err[0].__name__}")

    def addSkip(self, test: Any, reason: str) -> None:
        self._note(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self._note(test, "failed as expected")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, f"failed: {err[0].__name__}")


def run(modules: list[str], left_out: frozenset[str]) -> Outcomes:
    result = Outcomes()
    for name in modules:
        suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name))
        for test in list(flat(suite)):
            if not any(pattern in test.id() for pattern in left_out):
                test(result)
        unittest.doModuleCleanups()
    return result


def flat(suite: Any) -> Iterator[Any]:
    """The tests by class, so that what a class sets up happens once."""
    for test in suite:
        if isinstance(test, unittest.TestSuite) and any(
            isinstance(inner, unittest.TestSuite) for inner in test
        ):
            yield from flat(test)
        else:
            yield test


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instrument", action="append", default=[])
    parser.add_argument("--leave-out", action="append", default=[])
    parser.add_argument("--details", action="store_true")
    parser.add_argument("modules", nargs="+")
    options = parser.parse_args()
    from test import support

    support.use_resources = []
    calls = 0

    def hook(*_: object) -> None:
        nonlocal calls
        calls += 1

    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(printed))
        for target in options.instrument:
            if not target.startswith("test."):
                importlib.import_module(target)
        if options.instrument:
            made = stack.enter_context(instrumented(options.instrument, Hooks(hook, hook)))
        result = run(options.modules, frozenset(options.leave_out))
        if options.instrument:
            assert not made.missing, made.missing
            for refused in made.refused:
                print("refused", *refused, file=sys.stderr)
    for test, outcome in sorted(result.outcomes.items()):
        print(f"{test}\t{outcome}".replace("\n", " "))
    if options.details:
        for _, text in result.failures + result.errors:
            print(text, file=sys.stderr)
    print(f"calls\t{calls}")


if __name__ == "__main__":
    main()
