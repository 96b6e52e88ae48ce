"""Generated histories with a known answer: linearizable by construction, and provably not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stress.finding import Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability import (
    Model,
    check,
    counter,
    element_set,
    fifo_queue,
    key_value_map,
    register,
)
from tests.stress.oracles.linearizability import histories
from tests.stress.oracles.linearizability.histories import WRONG, linearizable

MODELS: dict[str, tuple[Model[Any], histories.Run]] = {
    "register": (register(0), histories.run_register),
    "counter": (counter(), histories.run_counter),
    "set": (element_set(), histories.run_set),
    "queue": (fifo_queue(), histories.run_queue),
    "map": (key_value_map(), histories.run_map),
}


def assert_is_linearization(order: Sequence[Call], part: Sequence[Call], model: Model[Any]) -> None:
    """The evidence is looked at as well: each call once, in real time, as the model has it."""
    assert len({id(one) for one in order}) == len(order)
    assert {id(one) for one in order} <= {id(one) for one in part}
    assert histories.is_explained(histories.as_seen(order, model), model)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(24))
def test_what_is_linearizable_holds(name: str, seed: int) -> None:
    model, run = MODELS[name]
    calls = linearizable(run, seed)
    result = check(calls, model)
    assert result.verdict is Verdict.HOLDS, result.drawing or result.reason
    answered = [c for c in calls if not c.pending and not c.error]
    ordered = [c for one in result.linearizations for c in one.calls]
    assert {id(c) for c in answered} <= {id(c) for c in ordered}
    for one in result.linearizations:
        assert_is_linearization(one.calls, calls, model)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_wrong_is_violated(name: str, seed: int) -> None:
    wrong = WRONG[name]
    model, run = MODELS[wrong.model]
    # Answered calls only: one that may yet take effect might explain what is wrong.
    before = [c for c in linearizable(run, seed, length=seed * 3) if not c.pending]
    before = [c for c in before if "OSError" not in c.error]
    before = before if check(before, model).verdict is not Verdict.VIOLATED else []
    after = max((c.ended_ns for c in before), default=0) + 1
    calls = [*before, *wrong.add(after)]
    result = check(calls, model)
    assert result.verdict is Verdict.VIOLATED, wrong.why
    example = result.counterexample
    assert example is not None
    assert example.shortest
    # What is shown is no less wrong by itself.
    assert check(example.calls, model).verdict is Verdict.VIOLATED
    assert example.misfit in example.calls
    assert_is_linearization(example.linearization, example.linearization, model)


def test_there_are_enough_of_them() -> None:
    assert len(MODELS) * 24 + len(WRONG) * 8 >= 200
    assert {wrong.model for wrong in WRONG.values()} == set(MODELS)
