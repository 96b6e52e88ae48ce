"""Each weaker check is seen to fail, and to pass on the twin of what fails."""

from __future__ import annotations

from collections.abc import Sequence

from stress.finding import FindingKind
from stress.oracles.history import Call
from stress.oracles.linearizability import (
    View,
    actor_order,
    monotonic_reads,
    read_your_writes,
    verb,
)
from tests.stress.oracles.linearizability.histories import call

FEED = View(
    wrote=lambda one: one.arguments["1"] if verb(one) == "post" else None,
    saw=lambda one: one.result if verb(one) == "feed" else None,
    key=lambda one: one.arguments["0"],
)


def post(actor: str, at: int, item: str, error: str = "", feed: str = "f") -> Call:
    return call(actor, "post", at, at + 1, feed, item, error=error)


def read(actor: str, at: int, items: Sequence[str], feed: str = "f") -> Call:
    return call(actor, "feed", at, at + 1, feed, gives=items)


def test_who_misses_an_own_write_is_told() -> None:
    (found,) = read_your_writes([post("a", 1, "x"), read("a", 3, ["y"])], FEED)
    assert (found.kind, found.oracle, found.place) == (
        FindingKind.INVARIANT,
        "read_your_writes",
        "feed",
    )
    assert found.message.startswith("a does not see 'x', which it had written")


def test_own_writes_that_are_seen_and_those_of_others_pass() -> None:
    calls = [post("a", 1, "x"), read("a", 3, ["y", "x"]), read("b", 5, [])]
    calls += [read("a", 7, [], feed="g"), post("c", 9, "z", error="OSError: no"), read("c", 11, [])]
    assert list(read_your_writes(calls, FEED)) == []


def test_who_sees_less_than_before_is_told() -> None:
    (found,) = monotonic_reads([read("a", 1, ["x", "y"]), read("a", 3, ["y"])], FEED)
    assert found.message.startswith("a does not see 'x', which it had seen before")


def test_reads_that_only_grow_pass_and_so_do_those_of_others() -> None:
    calls = [read("a", 1, ["x"]), read("b", 3, []), read("a", 5, ["x", "y"])]
    assert list(monotonic_reads(calls, FEED)) == []


def test_items_of_one_actor_out_of_order_are_told() -> None:
    calls = [post("a", 1, "x"), post("a", 3, "y"), read("b", 5, ["y", "x"])]
    (found,) = actor_order(calls, FEED)
    assert found.message.startswith("b sees 'x' after 'y'; a wrote it before that")


def test_items_of_different_actors_have_no_order() -> None:
    calls = [post("a", 1, "x"), post("b", 3, "y"), post("a", 5, "z")]
    calls += [read("b", 7, ["y", "x", "z"]), read("c", 9, ["x", "unknown", "z", "y"])]
    assert list(actor_order(calls, FEED)) == []
