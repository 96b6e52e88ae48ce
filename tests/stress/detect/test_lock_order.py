"""Lock order: what is an inversion, and what only looks like one."""

from __future__ import annotations

from stress.detect.lock_order import lock_order_inversions
from stress.detect.trace import Trace
from stress.steps import Step
from tests.stress.detect.steps import ACQUIRE, RELEASE, SET, WAIT, step


def nested(task: int, *locks: str, at: int = 0) -> list[Step]:
    """A task takes these locks, one in the other, and gives them back."""
    found = [step(task, ACQUIRE, lock, at + n) for n, lock in enumerate(locks)]
    found += [step(task, RELEASE, lock, at + 10 + n) for n, lock in enumerate(reversed(locks))]
    return found


def inversions(*steps: Step) -> list[tuple[int, ...]]:
    return [found.steps for found in lock_order_inversions(Trace(steps))]


def test_two_locks_in_both_orders() -> None:
    assert inversions(*nested(0, "l", "m"), *nested(1, "m", "l")) == [(0, 1, 4, 5)]


def test_two_locks_in_one_order() -> None:
    assert inversions(*nested(0, "l", "m"), *nested(1, "l", "m")) == []


def test_three_locks_in_a_ring() -> None:
    ring = [*nested(0, "l", "m"), *nested(1, "m", "x"), *nested(2, "x", "l")]
    ring = [one._replace(born=3) for one in ring]
    assert inversions(*ring) == [(0, 1, 4, 5, 8, 9)]
    assert inversions(*ring[:8]) == []


def test_a_gate_around_both_keeps_them_apart() -> None:
    assert inversions(*nested(0, "y", "l", "m"), *nested(1, "y", "m", "l")) == []


def test_one_task_does_not_wait_for_itself() -> None:
    assert inversions(*nested(0, "l", "m"), *nested(0, "m", "l", at=20), *nested(1, "l")) == []


def test_what_comes_after_an_event_is_not_at_the_same_time() -> None:
    first, second = nested(0, "l", "m"), nested(1, "m", "l")
    assert inversions(*first, step(0, SET, "e", 30), step(1, WAIT, "e", 30), *second) == []
    assert inversions(step(0, SET, "e", 30), *first, step(1, WAIT, "e", 30), *second) != []


def test_that_one_had_the_lock_first_is_chance() -> None:
    """Through the lock that both take, the second comes after the first in this execution."""
    first, second = nested(0, "l", "m"), nested(1, "m", "l")
    assert inversions(*first, *nested(0, "x", at=30), *nested(1, "x", at=30), *second) != []


def test_who_only_tries_does_not_wait() -> None:
    second = nested(1, "m", "l")
    second[1] = second[1]._replace(waits=False)
    assert inversions(*nested(0, "l", "m"), *second) == []
