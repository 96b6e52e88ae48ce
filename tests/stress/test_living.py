"""What lives in the process is found, also what was made since somebody last looked."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType

import pytest

from stress.exploration import explore
from stress.finding import Verdict
from stress.living import Living


@pytest.fixture
def living() -> Iterator[Living]:
    """Who has looked once, and knows what is there."""
    was_enabled = gc.isenabled()
    gc.disable()
    found = Living()
    found.look()
    gc.freeze()
    found.settle()
    yield found
    if was_enabled:
        gc.enable()


def made(number: int) -> Callable[[], int]:
    return lambda: number


def held(make: Callable[[], object]) -> Callable[[], object]:
    return lambda: make()


def named(living: Living) -> list[FunctionType]:
    living.look()
    return living.functions(lambda module: module == __name__)


def test_functions_are_found_once_each(living: Living) -> None:
    for _ in range(3):
        found = named(living)
        assert made in found
        assert len(found) == len(set(found))
        living.settle()


@pytest.mark.parametrize("generation", [None, 0, 1, 2])
def test_what_was_made_since_is_found(living: Living, generation: int | None) -> None:
    new = made(1)
    if generation is not None:
        gc.collect(generation)
    newer = made(2)
    found = named(living)
    assert new in found
    assert newer in found
    assert made in found


def test_what_was_made_between_look_and_settle_is_found(living: Living) -> None:
    living.look()
    gc.freeze()
    new = made(1)
    gc.collect()
    living.settle()
    assert new in named(living)


def test_what_is_found_may_go(living: Living) -> None:
    new = made(1)
    is_found = new in named(living)
    living.settle()
    gone = weakref.ref(new)
    del new
    assert is_found
    assert gone() is None
    assert None not in named(living)


@pytest.mark.parametrize("generation", [None, 2])
def test_who_has_what_makes_locks_is_found(living: Living, generation: int | None) -> None:
    cell = held(threading.Lock).__closure__[0]  # type: ignore[attr-defined]
    kept = [threading.Lock]
    if generation is not None:
        gc.collect(generation)
    living.look()
    found = set(map(id, living.holders))
    assert {id(cell), id(kept)} <= found
    assert len(found) == len(living.holders)


def test_nothing_stays_set_apart(living: Living) -> None:
    living.look()
    gc.freeze()
    living.settle()
    assert gc.get_freeze_count() == 0


def test_a_second_exploration_sees_what_came_after_the_first() -> None:
    def lost(box: list[int]) -> Callable[[], None]:
        def add() -> None:
            value = box[0]
            box[0] = value + 1

        return add

    def program() -> None:
        threads = [threading.Thread(target=work) for work in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box[0] % 2 == 0

    for _ in range(3):
        box = [0]
        workers = [lost(box), lost(box)]
        assert explore(program, executions=50).verdict is Verdict.VIOLATED
