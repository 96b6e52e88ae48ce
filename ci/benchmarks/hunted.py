"""The programs in which bugs are hunted: the corpus of the tests, and yardsticks with more threads.

The corpus lies beside the tests. It is looked for last, so that `stress` is the one installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

#: Mean schedules to the first bug, the best of the published ones: random, PCT-3, POS, SURW (the
#: authors of SURW, ASPLOS 2025), RFF (its authors, ASPLOS 2024).
PUBLISHED: Mapping[str, float] = {
    "reorder_3": 7, "reorder_10": 6, "reorder_100": 6, "twostage": 8, "twostage_100": 56,
    "stringbuffer": 8, "bluetooth_driver": 36, "wronglock": 1, "stack": 2, "work_queue": 6,
}  # fmt: skip

Program = Callable[[], None]


def twins() -> Mapping[str, Callable[[], None]]:
    """The repaired programs of the corpus, by name."""
    return {str(case): case.program for case in _corpus().CASES if case.kind is None}


def race_corpus() -> tuple[list[tuple[str, Program, bool]], list[tuple[str, Program, bool]]]:
    """Racy programs, and whether it is that nothing orders something; race-free ones, and whether
    they are that because it comes to the same."""
    _corpus()
    races = importlib.import_module("tests.corpus.races")
    racy = [(str(one), one.program, one.defect.value == "unordered") for one in races.RACES]
    return racy, [(str(one), one.program, one.benign) for one in races.RACE_FREE]


def _corpus() -> Any:
    root = str(Path(__file__).parent.parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    return importlib.import_module("tests.corpus")


@cache
def _programs() -> Mapping[str, Callable[[], None]]:
    cases, yardsticks = _corpus().CASES, importlib.import_module("tests.corpus.yardsticks")
    return {
        **{str(case): case.program for case in cases if case.kind is not None},
        "reorder_3": yardsticks.reorder(2),
        "reorder_10": yardsticks.reorder(9),
        "reorder_100": yardsticks.reorder(99),
        "twostage": yardsticks.twostage(1),
        "twostage_100": yardsticks.twostage(99),
        "stringbuffer": yardsticks.string_buffer,
        "bluetooth_driver": yardsticks.bluetooth_driver,
        "wronglock": yardsticks.wrong_lock,
        "stack": yardsticks.stack_that_says_it_has_items,
        "work_queue": yardsticks.work_queue_off_by_one,
        "safe_stack": importlib.import_module("tests.corpus.safe_stack").safe_stack,
    }


def corpus() -> list[str]:
    """The names of the wrong programs of the corpus."""
    return [str(case) for case in _corpus().CASES if case.kind is not None]


def program_of(name: str) -> Callable[[], None]:
    """The program of that name."""
    return _programs()[name]
