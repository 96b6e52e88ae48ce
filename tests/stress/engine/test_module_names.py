"""`module.name = …`: names of modules that functions elsewhere assign are shared like globals."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stress.exploration import explore, replay
from stress.finding import Verdict
from tests.corpus.case import together
from tests.stress.engine import levels
from tests.stress.engine.carriers import CARRIERS

TARGETS = (__name__, levels.__name__)


def raise_it() -> None:
    levels.level += 1


def raise_what_it_reads() -> None:
    levels.level = levels.read() + 1


def raise_what_an_import_gives() -> None:
    from tests.stress.engine import levels as imported

    imported.level += 1


def raising(raise_level: Callable[[], None], *, locked: bool = False) -> Callable[[], None]:
    def program() -> None:
        levels.level = 0
        lock = threading.Lock()

        def work() -> None:
            if locked:
                with lock:
                    raise_level()
            else:
                raise_level()

        together(work, work)
        assert levels.level == 2

    return program


RAISES = [raise_it, raise_what_it_reads, raise_what_an_import_gives]


@pytest.mark.parametrize("raise_level", RAISES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_lost_update(carrier: str, raise_level: Callable[[], None]) -> None:
    program = raising(raise_level)
    exploration = explore(program, executions=200, targets=TARGETS, carrier=carrier)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    (finding,) = exploration.findings
    assert "note" not in finding.details
    assert replay(program, finding).findings[0].id == finding.id
    touched = {event.anchor.name: event.subject for event in finding.trace}
    assert touched["level"] == f"module {levels.__name__}"
    assert "unchanged" not in touched
    assert "read" not in touched


@pytest.mark.parametrize("raise_level", RAISES)
def test_under_a_lock_none_is_lost(raise_level: Callable[[], None]) -> None:
    program = raising(raise_level, locked=True)
    exploration = explore(program, executions=200, targets=TARGETS)
    assert exploration.verdict is Verdict.HOLDS, exploration.findings


def test_the_module_s_own_functions_see_the_same_place() -> None:
    def program() -> None:
        levels.level = 0

        def write() -> None:
            levels.level = 1
            levels.level = 0

        together(write, lambda: seen.append(levels.read()))
        assert seen.pop() == 0

    seen: list[int] = []
    exploration = explore(program, executions=200, targets=TARGETS)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    (finding,) = exploration.findings
    reads = {e.subject for e in finding.trace if e.anchor.function == "read"}
    assert reads == {f"module {levels.__name__}"}
