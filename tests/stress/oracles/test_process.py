"""Each oracle of the process and of histories is seen to pass and to fail."""

from __future__ import annotations

from typing import Any

import pytest

from stress.oracles import history, process
from stress.oracles.history import Call
from stress.oracles.process import Resolution, Resources


def names(violations: Any) -> list[str]:
    return [violation.oracle for violation in violations]


def test_a_replaced_stream_is_seen() -> None:
    assert names(process.check_streams({"stdout": True, "stderr": True})) == []
    found = list(process.check_streams({"stdout": False, "stderr": True}))
    assert [v.place for v in found] == ["sys.stdout"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("<a> \n", "sys.stdout: lost"), ("<a><b><b>", "sys.stdout: doubled")],
)
def test_lost_and_doubled_lines_are_seen(text: str, place: str) -> None:
    assert names(process.check_printed(["<a>", "<b>"], "x<b>\ny<a>\n")) == []
    assert [v.place for v in process.check_printed(["<a>", "<b>"], text)] == [place]


def test_several_clients_for_one_key_are_seen() -> None:
    one = [Resolution("k", 1), Resolution("k", 1), Resolution("l", 2)]
    assert names(process.check_one_client(one, {"k": 1, "l": 1})) == []
    two = [*one, Resolution("k", 3)]
    assert names(process.check_one_client(two, {"k": 2})) == ["one_client_per_key"]


def test_a_loser_left_open_is_seen() -> None:
    one = [Resolution("k", 1), Resolution("k", 1)]
    assert names(process.check_one_client(one, {"k": 2})) == ["losers_closed"]


def test_a_foreign_answer_is_seen() -> None:
    assert names(process.check_answers({"w": ("a", "a")})) == []
    assert names(process.check_answers({"w": ("a", "b")})) == ["own_answer"]


def test_leaks_are_seen() -> None:
    before = Resources(("MainThread",), ("socket",))
    assert names(process.check_leaks(before, before)) == []
    after = Resources(("MainThread", "worker"), ("socket", "socket", "state.db"))
    found = list(process.check_leaks(before, after))
    assert [v.place for v in found] == [
        "thread worker",
        "descriptor of socket",
        "descriptor of state.db",
    ]


def test_escaped_exceptions_are_seen() -> None:
    good = Call("a", 0, "x.y")
    bad = Call("a", 1, "x.y", error="KeyError: 'k'", error_place="AIAgent.run")
    found = list(history.check_no_escaped_exceptions([good, bad]))
    assert [v.place for v in found] == ["AIAgent.run: KeyError"]
    found = list(history.check_no_thread_exceptions([("t", "work", "ValueError: 1")]))
    assert [v.place for v in found] == ["work: ValueError"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([("a", 0, 2), ("a", 2, 4)], False),
        ([("a", 0, 2), ("b", 2, 4)], False),
        ([("a", 0, 3), ("b", 2, 4)], True),
        ([("a", 0, 9), ("a", 9, 10), ("b", 1, 2)], True),
        ([], False),
    ],
)
def test_overlap(spans: list[tuple[str, int, int]], expected: bool) -> None:
    calls = [Call(actor, 0, "x.y", began_ns=b, ended_ns=e) for actor, b, e in spans]
    assert history.overlaps(calls) is expected
