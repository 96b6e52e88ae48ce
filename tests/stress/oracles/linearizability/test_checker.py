"""Three answers: bounds, nothing to judge, pending and raising calls, counterexamples, oracles."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from stress.errors import InvalidArgument
from stress.finding import FindingKind, Verdict
from stress.oracles.history import Call, overlaps
from stress.oracles.linearizability import (
    Limits,
    Model,
    NotLinearizable,
    agrees,
    assert_linearizable,
    check,
    check_linearizable,
    counter,
    element_set,
    fifo_queue,
    frozen,
    key_value_map,
    register,
    renamed,
    values,
    verb,
)
from tests.stress.oracles.linearizability.histories import (
    WRONG,
    call,
    linearizable,
    run_map,
    run_queue,
)

LOST = (
    call("a", "increment", 1, 4, gives=1),
    call("b", "increment", 2, 5, gives=1),
)
KEPT = (LOST[0], call("b", "increment", 2, 5, gives=2))


def test_a_lost_increment_is_violated_and_its_twin_holds() -> None:
    assert check(LOST, counter()).verdict is Verdict.VIOLATED
    result = check(KEPT, counter())
    assert result.verdict is Verdict.HOLDS
    assert result.reason == "2 calls are linearizable as a counter"
    assert result.linearizations[0].calls == KEPT


# -- unknown --------------------------------------------------------------------------------------


def test_an_empty_history_is_unknown() -> None:
    result = check((), counter())
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "the history is empty")


def test_a_history_without_concurrency_is_unknown_and_yet_can_be_violated() -> None:
    one_after_the_other = [call("a", "increment", 1, 2), call("b", "get", 3, 4, gives=1)]
    result = check(one_after_the_other, counter())
    assert result.verdict is Verdict.UNKNOWN
    assert "nothing was concurrent" in result.reason
    wrong = [one_after_the_other[0], call("b", "get", 3, 4, gives=0)]
    assert check(wrong, counter()).verdict is Verdict.VIOLATED


def test_a_pending_call_overlaps_all_that_comes_later() -> None:
    assert overlaps([call("a", "put", 1, None, 1), call("b", "get", 5, 6)])
    assert not overlaps([call("a", "put", 1, 2, 1), call("b", "get", 5, 6)])


@pytest.mark.parametrize(
    ("limits", "bound"),
    [
        (Limits(states=20), "the limit of 20 states was reached"),
        (Limits(memo=10), "the memo's limit of 10 entries was reached"),
    ],
)
def test_a_limit_that_is_reached_gives_unknown_and_names_it(limits: Limits, bound: str) -> None:
    calls = linearizable(run_queue, 3, length=60)
    assert check(calls, fifo_queue()).verdict is Verdict.HOLDS
    results = [check(calls, fifo_queue(), limits) for _ in range(2)]
    assert results[0] == results[1]
    assert results[0].verdict is Verdict.UNKNOWN
    assert results[0].reason == bound
    assert results[0].limited


def test_the_memo_does_not_grow_beyond_its_limit() -> None:
    calls = [call(f"t{n}", "increment", 1, 50, n) for n in range(14)]
    calls += [call("r", "get", 60, 61, gives=-1)]
    assert check(calls, counter(), Limits(memo=100)).memo <= 100


def test_the_limit_is_for_all_keys_together_and_the_reason_names_the_key() -> None:
    calls = [c for c in linearizable(run_map, 1, length=60) if c.arguments]
    result = check(calls, key_value_map(), Limits(states=15))
    assert result.verdict is Verdict.UNKNOWN
    assert "at key '" in result.reason
    assert "more keys" in result.reason


def test_what_is_violated_at_a_small_key_is_seen_although_a_large_one_is_too_much() -> None:
    large = [c for c in linearizable(run_map, 1, length=90) if c.arguments]
    wrong = WRONG["popped_twice"].add(50)
    assert check([*large, *wrong], key_value_map(), Limits(states=9)).verdict is Verdict.VIOLATED


# -- without an answer ----------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [0, 1])
def test_a_pending_call_may_have_taken_effect_or_not(seen: int) -> None:
    calls = [call("a", "increment", 1, None), call("b", "get", 5, 6, gives=seen)]
    assert check(calls, counter()).verdict is Verdict.HOLDS


@pytest.mark.parametrize("seen", [[0, 1], [1, 1], [0, 0], [1, 0]])
def test_a_call_that_raised_may_take_effect_later_but_not_be_undone(seen: list[int]) -> None:
    calls = [
        call("a", "increment", 1, 2, error="OSError: lost"),
        call("b", "get", 5, 6, gives=seen[0]),
        call("c", "get", 7, 8, gives=seen[1]),
    ]
    expected = seen != [1, 0]
    assert (check(calls, counter()).verdict is not Verdict.VIOLATED) is expected


def test_a_call_cannot_have_taken_effect_before_it_began() -> None:
    calls = [call("b", "get", 1, 2, gives=1), call("a", "increment", 3, None)]
    assert check(calls, counter()).verdict is Verdict.VIOLATED


def test_an_exception_that_is_an_answer_has_to_be_right() -> None:
    put, empty = call("a", "put", 1, 3, 7), "Empty: "
    assert check([put, call("b", "get", 2, 4, error=empty)], fifo_queue()).verdict is Verdict.HOLDS
    late = [put, call("b", "get", 4, 5, error=empty)]
    assert check(late, fifo_queue()).verdict is Verdict.VIOLATED


def test_calls_that_touch_at_one_moment_overlap() -> None:
    calls = [call("a", "write", 1, 5, 1), call("b", "read", 5, 6, gives=0)]
    assert check(calls, register(0)).verdict is not Verdict.VIOLATED
    calls = [call("a", "write", 1, 4, 1), call("b", "read", 5, 6, gives=0)]
    assert check(calls, register(0)).verdict is Verdict.VIOLATED


# -- wrong use ------------------------------------------------------------------------------------


def test_an_operation_that_the_model_does_not_know_is_wrong_use() -> None:
    for model in (counter(), register(), element_set(), fifo_queue(), key_value_map()):
        with pytest.raises(InvalidArgument, match="has no operation 'explode'"):
            check([call("a", "explode", 1, 2, 1)], model)


def test_a_call_that_ends_before_it_begins_is_wrong_use() -> None:
    with pytest.raises(InvalidArgument, match="ended before it began: 3 < 4"):
        check([call("a", "get", 4, 3)], counter())


# -- counterexamples ------------------------------------------------------------------------------


def test_the_counterexample_has_what_matters_and_counts_the_rest() -> None:
    calls = [
        call("a", "write", 1, 2, 5),
        call("b", "read", 1, 3, gives=5),
        call("a", "write", 4, 5, 6),
        call("b", "write", 6, 7, 8),
        call("c", "read", 8, 9, gives=5),
        call("c", "read", 10, 11, gives=77),
    ]
    example = check(calls, register(0)).counterexample
    assert example is not None
    assert example.misfit == calls[4]
    assert example.omitted == 3
    assert len(example.calls) == 3
    assert example.shortest
    assert example.key is None


def test_the_counterexample_names_the_key() -> None:
    result = check(WRONG["stale_get"].add(1), key_value_map())
    assert result.reason == (
        "not linearizable as a map at key 'key': no order of the calls explains that "
        "get('key') of y returned 11"
    )


def test_the_oracle_gives_one_violation_with_a_stable_place() -> None:
    (found,) = check_linearizable(LOST, counter())
    assert found.kind is FindingKind.NOT_LINEARIZABLE
    assert (found.oracle, found.place) == ("linearizable", "counter: increment")
    assert found.details["drawing"].startswith(found.message)
    later = [
        call(c.actor + "9", "increment", c.began_ns + 50, c.ended_ns + 50, gives=1) for c in LOST
    ]
    (again,) = check_linearizable(later, counter())
    assert (again.kind, again.oracle, again.place) == (found.kind, found.oracle, found.place)
    assert list(check_linearizable(KEPT, counter())) == []


def test_the_assertion_raises_the_drawing() -> None:
    assert assert_linearizable(KEPT, counter()).verdict is Verdict.HOLDS
    with pytest.raises(NotLinearizable) as caught:
        assert_linearizable(LOST, counter())
    assert str(caught.value) == check(LOST, counter()).drawing


# -- models ---------------------------------------------------------------------------------------


def test_a_model_is_a_few_lines() -> None:
    def step(state: tuple[int, ...], one: Call) -> Iterable[tuple[int, ...]]:
        if verb(one) == "push":
            return ((*state, values(one)[0]),)
        return (state[:-1],) if state and agrees(one, state[-1]) else ()

    stack: Model[tuple[int, ...]] = Model("stack", (), step)
    calls = [
        call("a", "push", 1, 4, 1),
        call("b", "push", 2, 5, 2),
        call("a", "pop", 6, 8, gives=1),
        call("b", "pop", 7, 9, gives=2),
    ]
    assert check(calls, stack).verdict is Verdict.HOLDS
    assert check([*calls, call("a", "pop", 10, 11, gives=1)], stack).verdict is Verdict.VIOLATED


def test_an_object_with_other_names_takes_the_same_model() -> None:
    model = renamed(counter(), hit="increment", hits="get")
    calls = [call("a", "hit", 1, 4), call("b", "hit", 2, 5), call("a", "hits", 6, 7, gives=1)]
    assert check(calls, model).verdict is Verdict.VIOLATED
    assert check([*calls[:2], call("a", "hits", 6, 7, gives=2)], model).verdict is Verdict.HOLDS
    assert model.reads == {"hits"}
    shelf = renamed(key_value_map(), store="put", load="get")
    calls = [call("a", "store", 1, 4, "k", 1), call("b", "load", 2, 5, "k", gives=1)]
    assert check(calls, shelf).linearizations[0].key == "k"


def test_what_has_no_hash_can_be_in_a_state() -> None:
    assert frozen({"a": [1, {2}], "b": (3,)}) == frozen({"b": [3], "a": (1, {2})})
    with pytest.raises(TypeError):
        frozen(bytearray())


def test_what_begins_filled_is_judged_as_a_whole() -> None:
    calls = [call("a", "get", 1, 3, "k", gives=1), call("b", "put", 2, 4, "j", 1)]
    assert check(calls, key_value_map({"k": 1})).verdict is Verdict.HOLDS
    assert check(calls, key_value_map()).verdict is Verdict.VIOLATED
    calls = [call("a", "contains", 1, 3, 1, gives=True), call("b", "add", 2, 4, 2)]
    assert check(calls, element_set([1])).verdict is Verdict.HOLDS
    assert check(calls, element_set()).verdict is Verdict.VIOLATED


@pytest.mark.parametrize("pending", [10, 14, 60])
def test_many_calls_that_never_returned(pending: int) -> None:
    """Each of them may have taken effect or not: it does not take all the ways to choose them."""
    writes = [
        Call(f"writer {n}", 0, "write", {"value": n}, began_ns=n, pending=True)
        for n in range(pending)
    ]
    read = Call("reader", 0, "read", {}, "never written", began_ns=1_000, ended_ns=1_001)
    result = check([*writes, read], register())
    assert result.verdict is Verdict.VIOLATED
    assert result.counterexample is not None
    assert result.counterexample.misfit == read
    assert result.states < 20_000
    right = Call("reader", 0, "read", {}, pending - 1, began_ns=1_000, ended_ns=1_001)
    assert check([*writes, right], register()).verdict is Verdict.HOLDS
