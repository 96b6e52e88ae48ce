"""CPython's own tests of threads, collected and run as controlled executions."""

from __future__ import annotations

import _thread
import contextlib
import importlib
import logging
import queue
import threading
import types
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from stress.engine.carriers import Carrier
from stress.engine.outcome import Ending
from stress.engine.session import Session, session
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.cpython_excluded import EXCLUDED, Excluded

#: What a class of tests may have taken before models were in place: from where it takes it anew.
_TAKEN = {
    id(getattr(module, name)): (module, name)
    for module, names in (
        (_thread, ("allocate_lock", "RLock", "_local")),
        (threading, ("RLock", "Lock")),
    )
    for name in names
}
#: How classes of tests on pools of processes are called.
_ON_PROCESSES = ("ProcessPool", "FailingInitializerResources")


@dataclass
class Tally:
    """What became of the cases of a suite."""

    ran: int = 0
    skipped: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def cases(modules: tuple[str, ...]) -> list[unittest.TestCase]:
    """All cases of these modules, but for those on pools of processes."""
    found: list[unittest.TestCase] = []
    for name in modules:
        module = importlib.import_module(name)
        for cls in list(vars(module).values()):
            if not (isinstance(cls, type) and issubclass(cls, unittest.TestCase)):
                continue
            if cls.__module__ == name and not cls.__name__.startswith(_ON_PROCESSES):
                found += unittest.defaultTestLoader.loadTestsFromTestCase(cls)  # type: ignore[arg-type]
    return found


def name_of(case: unittest.TestCase) -> str:
    return f"{type(case).__name__}.{case._testMethodName}"


def excluded(suite: str) -> list[Excluded]:
    """The part of the table that is about this suite on this Python."""
    return [entry for entry in EXCLUDED if entry.suite == suite and entry.is_here]


def why_excluded(case: unittest.TestCase, entries: list[Excluded]) -> Excluded | None:
    return next((entry for entry in entries if fnmatchcase(name_of(case), entry.name)), None)


@contextlib.contextmanager
def models_in(classes: set[type]) -> Iterator[None]:
    """Where classes of tests hold real primitives: what stands there while programs are explored.

    To be entered inside of a session.
    """
    kept: list[tuple[type, str, Any]] = []
    for cls in classes:
        for name, value in list(vars(cls).items()):
            real = value.__func__ if isinstance(value, staticmethod) else value
            if id(real) in _TAKEN:
                kept.append((cls, name, value))
                module, original = _TAKEN[id(real)]
                setattr(cls, name, staticmethod(getattr(module, original)))
            elif name == "queue" and isinstance(real, types.ModuleType):
                # Fresh copies of the module, that nobody knows of: one all in Python.
                kept.append((cls, name, value))
                in_python = types.SimpleNamespace(**vars(queue))
                in_python.SimpleQueue = queue._PySimpleQueue  # type: ignore[attr-defined]
                setattr(cls, name, in_python if cls.__name__.startswith("Py") else queue)
    try:
        yield
    finally:
        for cls, name, value in kept:
            setattr(cls, name, value)


@contextlib.contextmanager
def prepared(carrier: Callable[[], Carrier], found: list[unittest.TestCase]) -> Iterator[Session]:
    """A session in which the cases can run."""
    from test import support

    reap_children, verbose, handlers = support.reap_children, support.verbose, logging.root.handlers
    support.reap_children = lambda: None  # There are none, and to look is not under control.
    support.verbose = False
    logging.root.handlers = []  # As without pytest: some look for what is logged on stderr.
    try:
        classes = {base for case in found for base in type(case).__mro__}
        with session(carrier) as opened, models_in(classes):
            yield opened
    finally:
        support.reap_children, support.verbose = reap_children, verbose
        logging.root.handlers = handlers


def complaint(opened: Session, case: unittest.TestCase, seed: int, number: int) -> tuple[str, bool]:
    """Run one case once: what is wrong, if anything, and whether it skips itself."""
    result = unittest.TestResult()
    strategy = RandomWalk(seed)
    strategy.begin(number)
    outcome = opened.execute(
        lambda: case.run(result), strategy.choose, seed=seed, step_limit=STEP_LIMIT
    )
    told = [text for _, text in result.failures + result.errors]
    if outcome.ending is not Ending.FINISHED:
        told.append(f"{outcome.ending.value}: {outcome.waiting}")
    told += [f"task {failure.task}: {failure.error!r}" for failure in outcome.failures]
    told += [f"not under control: {call}" for call in outcome.uncontrolled]
    told += [f"not unwound: task {task}" for task in outcome.stuck]
    if result.testsRun != 1:
        told.append(f"{result.testsRun} tests ran")
    return "\n".join(told), bool(result.skipped)


#: `test_many_threads_nonblock` takes the most: a hundred threads that poll.
STEP_LIMIT = 3_000_000


def run(
    suite: str,
    modules: tuple[str, ...],
    carrier: Callable[[], Carrier],
    seeds: range,
    chosen: Callable[[unittest.TestCase], bool],
) -> Tally:
    """Run every chosen case of a suite that is not excluded, with each seed."""
    entries, tally = excluded(suite), Tally()
    found = [case for case in cases(modules) if chosen(case)]
    with prepared(carrier, found) as opened:
        for number, case in enumerate(found):
            if why_excluded(case, entries):
                tally.excluded.append(name_of(case))
                continue
            for seed in seeds:
                wrong, skips = complaint(opened, case, seed, number)
                if wrong:
                    tally.wrong.append(f"{name_of(case)}, seed {seed}: {wrong}")
                if wrong or skips:
                    break
            if skips:
                tally.skipped.append(name_of(case))
            else:
                tally.ran += 1
    return tally
