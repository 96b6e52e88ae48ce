"""Recursion to the limit: it is the program's own error, and never one that we make of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stress.exploration import explore
from stress.finding import FindingKind, Verdict
from tests.corpus.case import together
from tests.stress.engine.carriers import CARRIERS


def _locked(lock: Any, box: list[int]) -> None:
    with lock:
        box[0] += 1


def _by_event(event: Any, box: list[int]) -> None:
    event.set()
    event.is_set()
    box[0] += 1


def _by_condition(condition: Any, box: list[int]) -> None:
    with condition:
        condition.notify_all()


def _by_semaphore(permits: Any, box: list[int]) -> None:
    permits.acquire()
    permits.release()


WAYS: dict[str, tuple[Callable[[], Any], Callable[[Any, list[int]], None]]] = {
    "lock": (lambda: threading.Lock(), _locked),
    "rlock": (lambda: threading.RLock(), _locked),
    "event": (threading.Event, _by_event),
    "condition": (threading.Condition, _by_condition),
    "semaphore": (lambda: threading.Semaphore(9), _by_semaphore),
}


def going_down(way: str, *, catching: bool) -> Callable[[], None]:
    """Two tasks go down as far as it goes, with a step at each depth."""

    def program() -> None:
        make, step = WAYS[way]
        shared, box, done = make(), [0], []

        def down() -> None:
            step(shared, box)
            down()

        def work() -> None:
            if catching:
                try:
                    down()
                except RecursionError:
                    done.append(1)
                step(shared, box)
            else:
                down()

        together(work, work)
        assert not catching or done == [1, 1]

    return program


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_catches_it_is_no_finding(carrier: str, way: str) -> None:
    exploration = explore(going_down(way, catching=True), executions=15, carrier=carrier)
    assert exploration.verdict is not Verdict.VIOLATED, exploration.findings
    if exploration.verdict is Verdict.UNKNOWN:
        assert "recursion to the limit" in exploration.reason


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_does_not_is_one(carrier: str) -> None:
    exploration = explore(going_down("lock", catching=False), executions=15, carrier=carrier)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    finding = exploration.findings[0]
    assert finding.kind is FindingKind.EXCEPTION
    assert "RecursionError" in finding.message


@pytest.mark.parametrize("carrier", CARRIERS)
def test_deep_and_right(carrier: str) -> None:
    def program() -> None:
        lock, box = threading.Lock(), [0]

        def down(depth: int) -> None:
            with lock:
                box[0] += 1
            if depth:
                down(depth - 1)

        together(lambda: down(600), lambda: down(600))
        assert box == [1202]

    exploration = explore(program, executions=5, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, exploration.reason


def test_the_limit_is_the_program_s_own() -> None:
    before = sys.getrecursionlimit()

    def program() -> None:
        assert sys.getrecursionlimit() == before
        sys.setrecursionlimit(before * 2)
        assert sys.getrecursionlimit() == before * 2

        def down(depth: int) -> None:
            if depth:
                down(depth - 1)

        together(lambda: down(before * 3 // 2), lambda: down(before * 3 // 2))
        with pytest.raises(ValueError, match="greater"):
            sys.setrecursionlimit(0)
        sys.setrecursionlimit(before)

    exploration = explore(program, executions=5)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
    assert sys.getrecursionlimit() == before
