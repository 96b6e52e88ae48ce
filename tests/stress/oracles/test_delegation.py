"""Each oracle of delegation is seen to pass and to fail."""

from __future__ import annotations

from typing import Any

import pytest

from stress.oracles import delegation as oracle
from stress.oracles.delegation import Built, ModelCall, Transcript
from stress.oracles.history import Call

TASKS = [
    {"goal": "g0", "status": "completed", "summary": "s0"},
    {"goal": "g1", "status": "failed|error", "summary": ""},
]
GOOD = [
    {"task_index": 0, "status": "completed", "summary": "s0", "error": None},
    {"task_index": 1, "status": "failed", "summary": "", "error": "500"},
]


def batch(results: list[dict[str, Any]], left: int = 0) -> Call:
    answer = {"results": results, "left": left}
    return Call("p", 0, "delegation.batch", {"tasks": TASKS}, answer)


def names(violations: Any) -> list[str]:
    return [violation.oracle for violation in violations]


def test_true_results_pass() -> None:
    assert names(oracle.check_results([batch(GOOD)])) == []


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (GOOD[::-1], "result_order"),
        (GOOD[:1], "result_order"),
        ([GOOD[0], GOOD[0]], "result_order"),
        ([{**GOOD[0], "status": "failed"}, GOOD[1]], "result_status"),
        ([GOOD[0], {**GOOD[1], "status": "completed"}], "result_status"),
        ([{**GOOD[0], "summary": "s1"}, GOOD[1]], "result_summary"),
    ],
)
def test_untrue_results_are_seen(results: list[dict[str, Any]], expected: str) -> None:
    assert names(oracle.check_results([batch(results)])) == [expected]


def test_children_left_behind_are_seen() -> None:
    assert names(oracle.check_registration([batch(GOOD)], {"p": 0})) == []
    assert names(oracle.check_registration([batch(GOOD, left=1)], {})) == ["active_children_empty"]
    assert names(oracle.check_registration([], {"p": 2})) == ["active_children_empty"]


def test_a_child_built_on_a_worker_is_seen() -> None:
    parent = Built("p", "", "MainThread", 0)
    good, bad = Built("c0", "p", "actor p", 1), Built("c1", "p", "ThreadPoolExecutor-0_0", 1)
    assert names(oracle.check_builders([parent, good], "actor ")) == []
    assert names(oracle.check_builders([parent, good, bad], "actor ")) == ["built_on_caller"]


@pytest.mark.parametrize(
    ("stored", "said"),
    [((), "lost"), (("a",), "lost"), (("a", "b", "b"), "duplicated"), (("b", "a"), "out of order")],
)
def test_a_transcript_that_differs_is_seen(stored: tuple[str, ...], said: str) -> None:
    assert names(oracle.check_transcripts([Transcript("c", ("a", "b"), ("a", "b"))])) == []
    found = list(oracle.check_transcripts([Transcript("c", ("a", "b"), stored)]))
    assert [v.place for v in found] == [f"AIAgent._flush_messages_to_session_db: {said}"]


@pytest.mark.parametrize(
    ("total", "attempts", "granted", "said"),
    [(5, 9, 6, "overdrawn"), (5, 9, 4, "grants lost"), (5, 3, 2, "grants lost")],
)
def test_a_budget_that_is_off_is_seen(total: int, attempts: int, granted: int, said: str) -> None:
    assert names(oracle.check_budget("b", total, attempts, min(total, attempts))) == []
    found = list(oracle.check_budget("b", total, attempts, granted))
    assert [v.place for v in found] == [f"IterationBudget.consume: {said}"]


def send(after: list[str], received: list[str], began: int = 10, ended: int = 20) -> Call:
    result = {"parent": "P", "before": ["a", "b"], "after": after, "received": received}
    arguments = {"parent": "p"}
    return Call("i", 1, "interrupts.send", arguments, result, began_ns=began, ended_ns=ended)


@pytest.mark.parametrize(
    ("after", "received", "expected"),
    [
        (["a", "b"], ["a", "b"], []),
        (["b"], ["b"], []),
        (["a", "b"], ["b"], ["interrupt_reaches"]),
        ([], [], []),
    ],
)
def test_an_interrupt_that_misses_a_child_is_seen(
    after: list[str], received: list[str], expected: list[str]
) -> None:
    assert names(oracle.check_interrupts_reach([send(after, received)])) == expected


@pytest.mark.parametrize(
    ("built_ns", "calls_ns", "expected"),
    [
        (5, [6, 8], []),
        (5, [6, 21], []),
        (5, [21, 22], ["interrupt_stops"]),
        (30, [31, 32], ["interrupt_stops"]),
        (90, [91, 92], []),
    ],
)
def test_a_child_that_goes_on_is_seen(
    built_ns: int, calls_ns: list[int], expected: list[str]
) -> None:
    turn = Call("p", 0, "interrupts.turn", {"parent": "p"}, {}, began_ns=1, ended_ns=80)
    built = [Built("c", "P", "actor p", built_ns)]
    calls = [ModelCall("c", time_ns) for time_ns in calls_ns]
    assert names(oracle.check_interrupts_stop([turn, send([], [])], built, calls)) == expected


def test_an_interrupt_outside_the_turn_says_nothing_of_it() -> None:
    turn = Call("p", 0, "interrupts.turn", {"parent": "p"}, {}, began_ns=15, ended_ns=80)
    built = [Built("c", "P", "actor p", 30)]
    calls = [ModelCall("c", 31), ModelCall("c", 32)]
    assert names(oracle.check_interrupts_stop([turn, send([], [])], built, calls)) == []
