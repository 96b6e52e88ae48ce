"""The drawn counterexample, against golden texts; STRESS_REFRESH_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stress.oracles.linearizability import (
    check,
    counter,
    draw,
    draw_calls,
    fifo_queue,
    key_value_map,
    register,
)
from stress.oracles.linearizability.drawing import MAX_CALLS
from tests.stress.oracles.linearizability.histories import WRONG, call

GOLDEN = Path(__file__).parent / "golden"
STALE = [
    call("writer", "write", 1, 4, 1),
    call("writer", "write", 5, 8, 2),
    call("reader", "read", 6, 7, gives=1),
    call("reader", "read", 9, 12, gives=1),
    call("other", "write", 2, 10, 3),
]
LOST = [call("a", "increment", 1, 4, gives=1), call("b", "increment", 2, 5, gives=1)]
OPEN = [
    call("a", "put", 1, None, "first"),
    call("b", "put", 2, 9, "x" * 60),
    call("b", "get", 10, 11, error="Empty: "),
    call("a thread with a long name", "get", 3, 8, gives="first"),
]
MANY = [call("a", "increment", 10 * n, 10 * n + 5) for n in range(1, 41)]


def drawn(calls: list, model, **options) -> str:
    example = check(calls, model).counterexample
    assert example is not None
    return draw(example, **options)


DRAWINGS = {
    "stale_read": lambda: drawn(STALE, register(0)),
    "stale_read_narrow": lambda: drawn(STALE, register(0), width=48),
    "lost_increment": lambda: drawn(list(LOST), counter()),
    "dequeued_twice": lambda: drawn(list(WRONG["dequeued_twice"].add(1)), fifo_queue()),
    "wrong_key": lambda: drawn(list(WRONG["wrong_key"].add(1)), key_value_map()),
    "open_and_raised": lambda: "\n".join(draw_calls(OPEN)) + "\n",
}


def golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("STRESS_REFRESH_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"STRESS_REFRESH_GOLDEN=1 rewrites {path.name}"


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing(name: str) -> None:
    golden(name, DRAWINGS[name]())


def test_every_golden_text_belongs_to_a_drawing() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(DRAWINGS)


def test_a_changed_drawing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRESS_REFRESH_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match=r"rewrites stale_read\.txt"):
        golden("stale_read", "another text")


@pytest.mark.parametrize("width", [30, 48, 96])
def test_no_lane_is_wider_than_asked_for(width: int) -> None:
    lines = draw_calls(STALE, STALE[3], width)
    assert max(len(line.removesuffix(" fits nowhere")) for line in lines) <= width


def test_of_a_long_counterexample_the_end_is_drawn() -> None:
    text = drawn([*MANY, call("b", "get", 500, 501, gives=39)], counter())
    assert f"not drawn: {41 - MAX_CALLS} earlier calls" in text
    assert text.count("[- ") <= MAX_CALLS
    assert "get() of b returned 39" in text.splitlines()[0]


def test_bars_of_one_actor_that_overlap_get_lanes_of_their_own() -> None:
    lines = draw_calls([call("a", "get", 1, 5, gives=1), call("a", "get", 2, 6, gives=2)])
    assert len(lines) == 2
    assert draw_calls([]) == []
