"""Messages, hints, budgets: the pure parts of a turn."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.budget import IterationBudget
from hermes.conversation import (
    Turn,
    assistant_message,
    budget_hint,
    for_model,
    parse_arguments,
    preview,
    strip_think_blocks,
    tool_message,
    with_hint,
)
from hermes.model_call import Answer

CALL = {"id": "1", "function": {"name": "terminal", "arguments": '{"command": "ls"}'}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain", "plain"),
        ("<think>a\nb</think> four", "four"),
        ("<THINKING>a</Thinking>b<think>c</think>d", "bd"),
        ("before <think>never closed", "before"),
    ],
)
def test_thoughts_are_cut(text: str, left: str) -> None:
    assert strip_think_blocks(text) == left


def test_messages() -> None:
    answer = Answer("text", (CALL,), "tool_calls")
    said = assistant_message(answer)
    assert said == {
        "role": "assistant",
        "content": "text",
        "tool_calls": [CALL],
        "finish_reason": "tool_calls",
    }
    result = tool_message(CALL, "out")
    assert result["tool_name"] == "terminal"
    sent = for_model([said, result], "Be kind.")
    assert sent == [
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": "text", "tool_calls": [CALL]},
        {"role": "tool", "content": "out", "tool_call_id": "1"},
    ]
    assert for_model([], "") == []


def test_arguments() -> None:
    assert parse_arguments(CALL) == {"command": "ls"}
    assert parse_arguments({"function": {"arguments": ""}}) == {}
    for text in ("{", "[1]", '"x"'):
        with pytest.raises(ValueError):
            parse_arguments({"function": {"arguments": text}})


def test_a_preview_is_one_short_line() -> None:
    assert preview({}) == ""
    assert preview({"command": "a\n b", "other": 1}) == "a b"
    assert preview({"tasks": [{"goal": "ä"}]}) == '[{"goal": "ä"}]'
    assert len(preview({"command": "x" * 500})) == 80


@pytest.mark.parametrize(
    ("used", "words"),
    [(0, ""), (6, ""), (7, "7 of 10 iterations are used: come to an end."),
     (9, "9 of 10 iterations are used: answer now.")],
)  # fmt: skip
def test_hints(used: int, words: str) -> None:
    assert budget_hint(used, 10) == words
    assert budget_hint(used, 0) == ""


@given(st.text(), st.text(min_size=1))
def test_a_hint_keeps_what_the_tool_said(content: str, hint: str) -> None:
    assert with_hint(content, "") == content
    assert content in with_hint(content, hint)
    assert hint in with_hint(content, hint)


def test_a_hint_in_a_json_result_is_a_key() -> None:
    assert json.loads(with_hint('{"a": 1}', "hurry")) == {"a": 1, "_budget_warning": "hurry"}
    assert with_hint("[1]", "hurry") == "[1]\n\n[hurry]"


def test_the_result_of_a_turn() -> None:
    turn = Turn([], 3, "done", reasoning="because")
    assert turn.result(None) == {
        "final_response": "done",
        "last_reasoning": "because",
        "messages": [],
        "api_calls": 3,
        "completed": True,
        "partial": False,
        "interrupted": False,
        "response_previewed": False,
    }
    turn.error, turn.reached_limit = "broken", True
    result = turn.result("stop")
    assert (result["error"], result["completed"]) == ("broken", False)
    assert result["interrupt_message"] == "stop"


@given(st.integers(0, 20), st.lists(st.booleans(), max_size=60))
def test_a_budget_follows_its_count(total: int, steps: list[bool]) -> None:
    budget = IterationBudget(total)
    used = 0
    for take in steps:
        if take:
            assert budget.consume() is (used < total)
            used = min(used + 1, total)
        else:
            budget.refund()
            used = max(used - 1, 0)
        assert (budget.used, budget.remaining) == (used, total - used)


@pytest.mark.repeat(5)
def test_a_budget_is_never_overdrawn() -> None:
    budget = IterationBudget(1000)
    with ThreadPoolExecutor(8) as pool:
        granted = pool.map(lambda _: sum(budget.consume() for _ in range(200)), range(8))
    assert sum(granted) == budget.used == 1000
