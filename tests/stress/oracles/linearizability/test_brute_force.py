"""The search against every order there is, on small random histories; and what must not matter."""

from __future__ import annotations

import queue
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.finding import Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability import (
    Limits,
    Model,
    check,
    counter,
    element_set,
    fifo_queue,
    key_value_map,
    register,
    verb,
)
from stress.oracles.linearizability.search import search, with_open_ends
from tests.stress.oracles.linearizability.histories import brute_force, call

BIT = st.integers(0, 1)
NOTHING = st.none()

#: For each model: an operation, its arguments, and what it may have answered, right or wrong.
DRAWN: dict[str, tuple[Model[Any], list[tuple[str, list[Any], Any]]]] = {
    "register": (
        register(0),
        [
            ("read", [], BIT),
            ("write", [BIT], NOTHING),
            ("compare_and_set", [BIT, BIT], st.booleans()),
        ],
    ),
    "counter": (
        counter(),
        [
            ("get", [], st.integers(-1, 2)),
            ("increment", [], st.none() | st.integers(0, 2)),
            ("decrement", [st.just(1)], st.none() | st.integers(-1, 1)),
        ],
    ),
    "set": (
        element_set(),
        [
            ("add", [BIT], st.none() | st.booleans()),
            ("discard", [BIT], st.none() | st.booleans()),
            ("remove", [BIT], st.sampled_from([None, KeyError])),
            ("contains", [BIT], st.booleans()),
            ("size", [], BIT),
            ("members", [], st.frozensets(BIT)),
        ],
    ),
    "queue": (
        fifo_queue(capacity=2),
        [
            ("put", [BIT], st.sampled_from([None, queue.Full])),
            ("get", [], st.sampled_from([0, 1, queue.Empty])),
            ("qsize", [], st.integers(0, 2)),
            ("empty", [], st.booleans()),
        ],
    ),
    "map": (
        key_value_map(),
        [
            ("put", [BIT, BIT], NOTHING),
            ("put_if_absent", [BIT, BIT], BIT),
            ("get", [BIT], st.none() | BIT),
            ("contains", [BIT], st.booleans()),
            ("delete", [BIT], st.none() | st.booleans()),
            ("pop", [BIT], st.sampled_from([0, 1, KeyError])),
            ("size", [], st.integers(0, 2)),
        ],
    ),
}


@st.composite
def drawn_histories(draw: st.DrawFn, name: str) -> list[Call]:
    """Few calls at few moments, so that many overlap and some begin when others end."""
    _, operations = DRAWN[name]
    calls = []
    for number in range(draw(st.integers(0, 5))):
        name, arguments, answers = draw(st.sampled_from(operations))
        began = draw(st.integers(-3, 6))
        answer = draw(answers)
        error = f"{answer.__name__}: no" if isinstance(answer, type) else ""
        ended: int | None = began + draw(st.integers(0, 6))
        match draw(st.integers(0, 9)):
            case 0:
                ended = None
            case 1:
                error = "OSError: lost"
        gives = None if error or ended is None else answer
        given_ = [draw(argument) for argument in arguments]
        calls.append(call(f"t{number % 3}", name, began, ended, *given_, gives=gives, error=error))
    return calls


def before(misfit: Call, calls: list[Call]) -> list[Call]:
    """The other calls, as far as anybody knew before the moment at which `misfit` returned."""
    return [
        replace(c, pending=True) if c.ended_ns >= misfit.ended_ns else c
        for c in calls
        if c is not misfit and c.began_ns <= misfit.ended_ns
    ]


@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_it_agrees_with_brute_force(name: str, data: st.DataObject) -> None:
    model = DRAWN[name][0]
    calls = data.draw(drawn_histories(name))
    result = check(calls, model)
    if brute_force(calls, model):
        assert result.verdict is not Verdict.VIOLATED, result.drawing
    else:
        assert result.verdict is Verdict.VIOLATED
        assert result.counterexample is not None
        # Each claim of the counterexample, too.
        assert not brute_force(result.counterexample.calls, model)
        assert result.counterexample.shortest
        misfit, key = result.counterexample.misfit, result.counterexample.key
        if key is not None:
            calls = [c for c in calls if c.arguments["0"] == key]
        assert brute_force([*before(misfit, calls), replace(misfit, pending=True)], model)


@pytest.mark.parametrize("name", ["set", "map"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_history_is_linearizable_where_each_key_is(name: str, data: st.DataObject) -> None:
    model = DRAWN[name][0]
    calls = [c for c in data.draw(drawn_histories(name)) if c.arguments]
    whole = check(calls, replace(model, partition=None))
    assert check(calls, model).verdict is whole.verdict


@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_naming_the_reads_changes_no_verdict(name: str, data: st.DataObject) -> None:
    model = DRAWN[name][0]
    calls = data.draw(drawn_histories(name))
    assert check(calls, replace(model, reads=frozenset())).verdict is check(calls, model).verdict


@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_beginning_of_a_linearizable_history_is_linearizable(
    name: str, data: st.DataObject
) -> None:
    model = DRAWN[name][0]
    calls = data.draw(drawn_histories(name))
    moment = data.draw(st.integers(-3, 12))
    beginning = [
        replace(c, pending=True, result=None, error="") if c.ended_ns > moment else c
        for c in calls
        if c.began_ns <= moment
    ]
    if check(beginning, model).verdict is Verdict.VIOLATED:
        assert check(calls, model).verdict is Verdict.VIOLATED


def test_brute_force_can_disagree() -> None:
    lost = [call("a", "increment", 0, 1), call("a", "get", 2, 3, gives=0)]
    sloppy: Model[int] = Model("counter", 0, lambda state, one: (*counter().step(state, one), 0))
    assert brute_force(lost, sloppy)
    assert not brute_force(lost, counter())


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_several_next_states_are_all_looked_at(data: st.DataObject) -> None:
    lossy: Model[int] = Model(
        "lossy counter",
        0,
        lambda state, one: (
            (state, state + 1)
            if verb(one) == "increment"
            else ((state,) if one.pending or one.result == state else ())
        ),
        reads=frozenset({"get"}),
    )
    calls = [c for c in data.draw(drawn_histories("counter")) if verb(c) != "decrement"]
    expected = Verdict.HOLDS if brute_force(calls, lossy) else Verdict.VIOLATED
    assert search(with_open_ends(calls, lossy), lossy, Limits()).verdict is expected
