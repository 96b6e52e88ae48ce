from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.workloads.script import (
    FAULT_KINDS,
    SCRIPT_BYTES_MAX,
    Fault,
    Reply,
    Script,
    ToolCall,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FAULTS = st.builds(Fault, st.sampled_from(FAULT_KINDS), st.floats(0, 1e6))
CALLS = st.builds(ToolCall, st.text(), st.dictionaries(st.text(), VALUES, max_size=3))


def tuples_of(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(values, max_size=3).map(tuple)


REPLIES = st.builds(Reply, st.text(), tuples_of(CALLS), tuples_of(FAULTS))
SCRIPTS = st.builds(Script, tuples_of(REPLIES))


def marker(packed: bytes) -> str:
    return f"⟦script:{base64.urlsafe_b64encode(packed).decode().rstrip('=')}⟧"


@given(SCRIPTS)
def test_json_round_trip(script: Script) -> None:
    assert Script.from_json(json.loads(json.dumps(script.to_json()))) == script


@given(SCRIPTS, st.text())
def test_what_is_embedded_is_found(script: Script, text: str) -> None:
    carried = script.embed(text)
    assert Script.find(carried) == script
    assert Script.find(f"{carried} and more") == script
    assert Script.strip(carried) == text


@given(SCRIPTS, SCRIPTS, st.text())
def test_embedding_again_replaces(old: Script, new: Script, text: str) -> None:
    carried = new.embed(old.embed(text))
    assert Script.find(carried) == new
    assert Script.strip(carried) == text


@given(st.text())
def test_text_without_a_marker_carries_nothing(text: str) -> None:
    assert Script.find(text) is None
    assert Script.strip(text) == text


def test_scripts_nest() -> None:
    child = Script((Reply("child done"),))
    call = ToolCall("delegate_task", {"tasks": [{"goal": child.embed("look")}]})
    parent = Script((Reply(tool_calls=(call,)), Reply("all done")))
    found = Script.find(parent.embed("go"))
    assert found == parent
    goal = found.replies[0].tool_calls[0].arguments["tasks"][0]["goal"]
    assert Script.find(goal) == child
    assert Script.strip(goal) == "look"


def test_what_is_empty_is_left_out() -> None:
    assert Script((Reply(),)).to_json() == [{}]


@pytest.mark.parametrize(("replies", "plain"), [(1, True), (50, False)])
def test_the_shorter_form_is_chosen(replies: int, plain: bool) -> None:
    script = Script(tuple(Reply("word " * 10) for _ in range(replies)))
    text = script.embed("")
    packed = base64.urlsafe_b64decode(text.split("script:")[1].rstrip("⟧") + "==")
    raw = json.dumps(script.to_json(), separators=(",", ":")).encode()
    assert len(packed) == min(len(raw), len(zlib.compress(raw)))
    assert Script.find(text) == script
    if plain:
        assert len(Script((Reply("hi"),)).embed("")) < 40


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no stream",
        b"[",
        b'[{"faults": [{"kind": "smoke"}]}]',
        b'[{"faults": 3}]',
        b"[3]",
        b"[" * 100_000,
        zlib.compress(b"[{}]" * 9)[:-6],
        zlib.compress(b"[" + b" " * (SCRIPT_BYTES_MAX + 1) + b"]"),
    ],
)
def test_a_damaged_script_is_told(packed: bytes) -> None:
    text = marker(packed) if packed else "⟦script:A⟧"
    with pytest.raises(ValueError, match="the script in the conversation is damaged"):
        Script.find(text)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no fault 'smoke'; choose of delay, rate_limit"):
        Fault("smoke")


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_an_impossible_length_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="a fault cannot last"):
        Fault("delay", seconds)
