"""The release of a lock is a scheduling point where somebody tries locks without waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from stress.exploration import explore, replay
from stress.finding import Finding, Verdict
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.carriers import CARRIERS

MAKERS: dict[str, Callable[[], Any]] = {
    "Lock": lambda: threading.Lock(),
    "RLock": lambda: threading.RLock(),
}
TRIES: dict[str, Callable[[Any], bool]] = {
    "not blocking": lambda lock: bool(lock.acquire(False)),
    "no time": lambda lock: bool(lock.acquire(timeout=0)),
}


def taking(make: Callable[[], Any], attempt: Callable[[Any], bool]) -> Callable[[], None]:
    """Between taking and letting go nothing happens: who tries may fail all the same."""

    def program() -> None:
        lock = make()
        failed = []

        def hold() -> None:
            with lock:
                pass

        def look() -> None:
            if attempt(lock):
                lock.release()
            else:
                failed.append(True)

        threads = [threading.Thread(target=work) for work in (hold, look)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, "the lock was held"

    return program


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("attempt", TRIES)
@pytest.mark.parametrize("kind", MAKERS)
def test_a_lock_that_is_tried_can_be_found_held(kind: str, attempt: str, carrier: str) -> None:
    program = taking(MAKERS[kind], TRIES[attempt])
    exploration = explore(program, executions=200, carrier=carrier)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    finding = exploration.findings[0]
    assert "note" not in finding.details
    assert finding.schedule is not None
    assert finding.schedule.switches_at_release
    again = replay(program, finding)
    assert [f.id for f in again.findings] == [finding.id]


def test_a_lock_that_is_asked_whether_it_is_held() -> None:
    def held(lock: Any) -> bool:
        return not lock.locked() and bool(lock.acquire())

    assert explore(taking(MAKERS["Lock"], held), executions=200).verdict is Verdict.VIOLATED


def counting() -> None:
    """Nobody tries."""
    lock, box = threading.Lock(), [0]

    def work() -> None:
        for _ in range(3):
            with lock:
                box[0] += 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [6]


class Kinds:
    """Keeps what tasks were about to do when there was a choice."""

    def __init__(self) -> None:
        self._walk = RandomWalk(0)
        self.seen: set[str] = set()

    def begin(self, execution: int) -> bool:
        """As the walk."""
        return self._walk.begin(execution)

    def choose(self, ready: Any, pending: Any, current: int | None) -> int:
        """As the walk."""
        self.seen |= {pending[number].site.kind for number in ready}
        return self._walk.choose(ready, pending, current)


def test_otherwise_nobody_could_tell() -> None:
    kinds = Kinds()
    assert explore(counting, executions=50, strategy=kinds).verdict is Verdict.HOLDS
    assert "acquire" in kinds.seen
    assert "release" not in kinds.seen


def test_a_report_tells_of_releases_all_the_same() -> None:
    def program() -> None:
        counting()
        raise ValueError

    finding: Finding = explore(program, executions=1).findings[0]
    kinds = [event.anchor.kind for event in finding.trace]
    assert kinds.count("release") == kinds.count("acquire") == 6
