"""Locks, queues and locals from before the exploration are under control all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stress.exploration import explore
from stress.finding import Verdict
from tests.stress.engine import made_before
from tests.stress.engine.carriers import CARRIERS


@pytest.mark.parametrize("place", made_before.PLACES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_lock_made_before_excludes(carrier: str, place: str) -> None:
    exploration = explore(made_before.counting(place), executions=150, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
    # Both wanted it: somebody had to wait.
    assert exploration.statistics.preemptions > 0


@pytest.mark.parametrize(
    "program",
    [
        made_before.counting_by_default,
        made_before.queues,
        made_before.locals_,
        made_before.native_locals,
        made_before.logs,
    ],
    ids=lambda program: program.__name__,
)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_other_things_made_before(carrier: str, program: Callable[[], None]) -> None:
    exploration = explore(program, executions=150, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)


def test_without_the_lock_it_is_wrong() -> None:
    assert explore(made_before.counting_without).verdict is Verdict.VIOLATED


def test_all_of_it_is_put_back() -> None:
    def held() -> dict[str, object]:
        names = dict(vars(made_before))
        del names["total"]
        return {
            **names,
            **{f"at {place}": find() for place, find in made_before.PLACES.items()},
            "lock of the condition": made_before.condition._lock,  # type: ignore[attr-defined]
            "acquire": made_before.condition.acquire,
            "mutex": made_before.bounded.mutex,
            "default": made_before._count.__defaults__,
            "handler": made_before.logger.handlers[0].lock,
        }

    before = held()
    for program in (
        made_before.counting("class"),
        made_before.queues,
        made_before.locals_,
        made_before.native_locals,
    ):
        explore(program, executions=20)
    after = held()
    assert [name for name in before if before[name] is not after[name]] == []
    assert made_before.simple.qsize() == 1
    assert made_before.own.value == 5
    assert vars(made_before.mine) == {"items": [77]}


def test_a_thread_that_is_not_under_control_may_use_the_same_lock() -> None:
    """It takes the real one behind the model; tasks then wait, and the verdict says so."""
    stop, used = threading.Event(), 0

    def outside() -> None:
        nonlocal used
        while not stop.is_set():
            with made_before.lock:
                used += 1

    thread = threading.Thread(target=outside)
    thread.start()
    try:
        exploration = explore(made_before.counting("lock"), executions=100)
    finally:
        stop.set()
        thread.join()
    assert exploration.findings == ()
    assert used > 0
    assert made_before.lock.acquire(blocking=False)
    made_before.lock.release()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_lock_that_cannot_be_replaced(carrier: str) -> None:
    """It lies in a tuple: instrumented code that takes it waits in the model all the same."""
    exploration = explore(made_before.counting_under_a_tuple, executions=150, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
