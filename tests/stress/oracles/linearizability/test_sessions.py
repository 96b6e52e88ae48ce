"""The model of SessionDB: by hand, shortcut against search, and the real one with real threads."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.state import SessionDB
from stress.errors import InvalidArgument
from stress.finding import FindingKind, Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability import (
    History,
    check_session_db,
    check_sessions_linearizable,
    recorded,
    verb,
)
from stress.oracles.linearizability.search import Limits, search, with_open_ends
from stress.oracles.linearizability.session_rows import Counters, Message, compact
from stress.oracles.linearizability.sessions import SESSIONS
from stress.oracles.linearizability.titles import next_free
from tests.stress.oracles.linearizability.histories import brute_force

METHODS = (
    "append_message", "clear_messages", "create_session", "delete_session", "end_session",
    "export_session", "get_messages", "get_next_title_in_lineage", "get_session",
    "get_session_by_title", "get_session_title", "message_count", "session_count",
    "set_next_title_in_lineage", "set_session_title", "update_token_counts",
)  # fmt: skip


def one(
    actor: str,
    name: str,
    began: int,
    ended: int | None,
    gives: Any = None,
    error: str = "",
    **given: Any,
) -> Call:
    given = {"session_id": "s", **given}
    return Call(actor, began, name, given, gives, error, began_ns=began, ended_ns=ended or 0,
                pending=ended is None)  # fmt: skip


def create(at: int = 0, session: str = "s") -> Call:
    return one("main", "create_session", at, at + 1, session, session_id=session)


def append(began: int, ended: int | None, row: int | None, content: str, actor: str = "w") -> Call:
    return one(actor, "append_message", began, ended, row, role="user", content=content)


def rows(*found: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"id": row, "role": "user", "content": c, "timestamp": row} for row, c in found]


def read(began: int, ended: int, *found: tuple[int, str], actor: str = "r") -> Call:
    return one(actor, "get_messages", began, ended, rows(*found))


WRITTEN = (create(), append(3, 6, 1, "a", "v"), append(4, 8, 2, "b"))

RIGHT: dict[str, tuple[Call, ...]] = {
    "a read sees a beginning of the log": (
        read(4, 5),
        read(7, 9, (1, "a")),
        read(8, 9, (1, "a"), (2, "b")),
    ),
    "a count agrees with a read": (one("r", "message_count", 7, 7, 1), read(7, 8, (1, "a"))),
    "a title is free again": (
        create(10, "t"),
        one("x", "set_session_title", 12, 13, True, title="T"),
        one("x", "set_session_title", 14, 15, True, title=None),
        one("x", "set_session_title", 16, 17, True, title="T", session_id="t"),
    ),
    "an append to a deleted session": (
        one("x", "delete_session", 10, 12, True),
        replace(append(11, 13, None, "c"), error="IntegrityError: FOREIGN KEY"),
        one("x", "get_session", 14, 15, None),
    ),
    "a total": (one("x", "message_count", 10, 11, 2, session_id=None),),
}  # fmt: skip
WRONG: dict[str, tuple[str, tuple[Call, ...]]] = {
    "a message is lost": ("get_messages", (read(9, 10, (1, "a")),)),
    "a message is seen too early": ("get_messages", (read(2, 2, (1, "a")),)),
    "a message is gone again": ("get_messages", (read(4, 5, (1, "a")), read(6, 7))),
    "a message that nobody wrote": ("get_messages", (read(4, 5, (9, "x")),)),
    "a row has other words": ("get_messages", (read(9, 10, (1, "a"), (2, "z")),)),
    "rows out of order": ("get_messages", (read(9, 10, (2, "b"), (1, "a")),)),
    "a gap": ("get_messages", (read(4, 9, (2, "b")),)),
    "two appends with one row": ("append_message", (append(9, 10, 2, "c"),)),
    "a row id that goes back": ("append_message", (append(9, 10, 1, "c"),)),
    "a count too low": ("message_count", (one("r", "message_count", 9, 10, 1),)),
    "a counter too low": (
        "get_session",
        (one("r", "get_session", 9, 10, {"message_count": 1, "tool_call_count": 0,
         "input_tokens": 0, "output_tokens": 0, "ended_at": None, "title": None}),),
    ),
    "created twice": ("create_session", (create(20),)),
    "two sessions with one title": (
        "set_session_title",
        (
            create(10, "t"),
            one("x", "set_session_title", 12, 15, True, title="T"),
            one("y", "set_session_title", 13, 16, True, title="T", session_id="t"),
        ),
    ),
    "a title refused that is free": (
        "set_session_title",
        (one("x", "set_session_title", 12, 15, None, "ValueError: held", title="T"),),
    ),
    "one next title for two": (
        "set_next_title_in_lineage",
        (
            create(10, "t"),
            one("x", "set_next_title_in_lineage", 12, 15, "T", title="T"),
            one("y", "set_next_title_in_lineage", 13, 16, "T", title="T", session_id="t"),
        ),
    ),
    "a total too low": ("message_count", (one("x", "message_count", 10, 11, 1, session_id=None),)),
    "a session too many": (
        "session_count",
        (Call("x", 10, "session_count", {}, 2, began_ns=10, ended_ns=11),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_holds(name: str) -> None:
    result = check_session_db((*WRITTEN, *RIGHT[name]))
    assert result.verdict is Verdict.HOLDS, result.drawing


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_violated(name: str) -> None:
    method, calls = WRONG[name]
    (found,) = check_sessions_linearizable((*WRITTEN, *calls))
    assert found.kind is FindingKind.NOT_LINEARIZABLE
    assert found.place == f"SessionDB.{method}"


def test_pruning_is_unknown() -> None:
    pruned = Call("x", 0, "prune_sessions", {}, 0, began_ns=20, ended_ns=21)
    result = check_session_db((*WRITTEN, pruned))
    assert (result.verdict, result.limited) == (Verdict.UNKNOWN, False)
    assert "prune_sessions" in result.reason
    assert list(check_sessions_linearizable((*WRITTEN, pruned))) == []


def test_what_is_not_modelled_is_not_looked_at() -> None:
    other = Call("x", 0, "search_messages", {"query": "a"}, ["?"], began_ns=20, ended_ns=21)
    assert check_session_db((*WRITTEN, other)).verdict is Verdict.HOLDS


@pytest.mark.parametrize(("seen", "holds"), [(["c"], True), (["c", "c"], False)])
def test_an_append_that_was_not_answered_may_be_seen_once(seen: list[str], holds: bool) -> None:
    found = [(1, "a"), (2, "b"), *((3 + n, text) for n, text in enumerate(seen))]
    calls = (*WRITTEN, append(4, None, None, "c"), read(9, 10, *found))
    assert (check_session_db(calls).verdict is Verdict.HOLDS) is holds


@pytest.mark.parametrize(("count", "holds"), [(2, True), (3, True), (4, False)])
def test_an_append_that_was_not_answered_may_be_counted_once(count: int, holds: bool) -> None:
    calls = (*WRITTEN, append(4, None, None, "c"), one("r", "message_count", 9, 10, count))
    assert (check_session_db(calls).verdict is Verdict.HOLDS) is holds


def test_a_call_that_names_no_session_is_wrong_use() -> None:
    nameless = Call("x", 4, "append_message", {"0": "s"}, 3, began_ns=9, ended_ns=10)
    with pytest.raises(InvalidArgument, match=r"call 4 of x \(append_message\) has no session_id"):
        check_session_db((*WRITTEN, nameless))


def test_limits_give_unknown() -> None:
    calls = (*WRITTEN, one("x", "clear_messages", 4, 9), one("r", "message_count", 5, 9, 1))
    assert check_session_db(calls).verdict is Verdict.HOLDS
    result = check_session_db(calls, Limits(states=2))
    assert (result.verdict, result.limited) == (Verdict.UNKNOWN, True)


def test_titles_of_a_lineage() -> None:
    assert next_free(frozenset(), "plan") == "plan"
    assert next_free(frozenset({("s", "plan")}), "plan #7") == "plan #2"
    assert next_free(frozenset({("s", "plan #4"), ("t", None)}), "plan") == "plan #5"


# -- shortcut and search --------------------------------------------------------------------------


@st.composite
def logs(draw: st.DrawFn) -> list[Call]:
    """Appends in the order of their rows, more or less, and reads, more or less right."""
    calls = [create()]
    ids = draw(st.permutations([1, 2, 3]))[: draw(st.integers(0, 3))]
    texts = {row: draw(st.sampled_from("ab")) for row in (1, 2, 3)}
    for row in ids:
        began = draw(st.integers(2, 9))
        ended = None if draw(st.integers(0, 4)) == 0 else began + draw(st.integers(0, 6))
        calls.append(append(began, ended, row if ended else None, texts[row], f"w{row}"))
    for number in range(draw(st.integers(0, 2))):
        began = draw(st.integers(2, 12))
        ended = began + draw(st.integers(0, 4))
        length = draw(st.integers(0, 3))
        found = [(row, texts[row]) for row in sorted(ids)[:length]]
        counters = {"message_count": len(found), "tool_call_count": 0, "input_tokens": 0,
                    "output_tokens": 0, "ended_at": None}  # fmt: skip
        gives: Any
        match name := draw(
            st.sampled_from(["get_messages", "message_count", "get_session", "export_session"])
        ):
            case "get_messages":
                gives = rows(*found)
            case "message_count":
                gives = length
            case "get_session":
                gives = counters
            case _:
                gives = {**counters, "messages": rows(*found)}
        calls.append(one(f"r{number}", name, began, ended, gives))
    return calls


@settings(max_examples=400, deadline=None)
@given(calls=logs())
def test_shortcut_search_and_brute_force_agree(calls: list[Call]) -> None:
    seen = with_open_ends([compact(call) for call in calls], SESSIONS)
    slow = replace(SESSIONS, shortcut=None)
    expected = Verdict.HOLDS if brute_force(seen, slow) else Verdict.VIOLATED
    assert search(seen, slow, Limits()).verdict is expected
    assert search(seen, SESSIONS, Limits()).verdict is expected


def test_the_shortcut_is_taken_and_its_order_is_a_linearization() -> None:
    calls = [compact(call) for call in (*WRITTEN, *RIGHT["a read sees a beginning of the log"])]
    assert SESSIONS.shortcut is not None
    decided = SESSIONS.shortcut(calls)
    assert decided is not None
    assert decided.order is not None
    names = [verb(calls[position]) for position in decided.order]
    assert names == [
        "create_session", "get_messages", "append_message", "get_messages", "append_message",
        "get_messages",
    ]  # fmt: skip
    assert SESSIONS.shortcut([*calls, one("x", "clear_messages", 20, 21)]) is None


def test_rows_are_short_in_pictures() -> None:
    assert repr(Counters(messages=2, ended=True)) == "(messages=2, ended=True)"
    assert repr(Counters()) == "(messages=0)"
    assert repr(Message(3, "user", "x")) == "#3 'x'"


# -- the real one ---------------------------------------------------------------------------------


class LostUpdate(SessionDB):
    """It reads the counter and writes it later, in two transactions."""

    def append_message(
        self, session_id: str, role: str, content: str | None = None, **more: Any
    ) -> int:  # type: ignore[override]
        before = self._number("SELECT message_count FROM sessions WHERE id = ?", (session_id,))
        row = super().append_message(session_id, role, content, **more)
        self._execute(
            "UPDATE sessions SET message_count = ? WHERE id = ?", (before + 1, session_id)
        )
        return row


class CountsByItself(SessionDB):
    """It answers from a count that it keeps outside of the lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._counts: dict[str, int] = {}

    def append_message(
        self, session_id: str, role: str, content: str | None = None, **more: Any
    ) -> int:  # type: ignore[override]
        before = self._counts.get(session_id, 0)
        row = super().append_message(session_id, role, content, **more)
        self._counts[session_id] = before + 1
        return row

    def message_count(self, session_id: str | None = None) -> int:
        return self._counts.get(session_id or "", 0)


def perform(database: SessionDB, seed: int, rounds: int = 12, threads: int = 4) -> History:
    history = History()
    shared = recorded(database, history, METHODS)
    for session in ("s0", "s1"):
        shared.create_session(session, "cli")
    start = threading.Barrier(threads)

    def body(number: int) -> None:
        source = random.Random(f"{seed}/{number}")
        start.wait()
        for step in range(rounds):
            act(shared, source, f"{number}-{step}")

    workers = [threading.Thread(target=body, args=(n,), name=f"t{n}") for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for session in ("s0", "s1"):
        shared.get_messages(session)
        shared.message_count(session)
        shared.get_session(session)
    database.close()
    return history


def act(shared: SessionDB, source: random.Random, text: str) -> None:
    session = source.choice(["s0", "s1"])
    match source.choice(
        ["append"] * 4 + ["read", "count", "row", "title", "next", "who", "export"]
    ):
        case "append":
            shared.append_message(session, "user", text)
        case "read":
            shared.get_messages(session)
        case "count":
            shared.message_count(session)
        case "row":
            shared.get_session(session)
        case "title":
            try:
                shared.set_session_title(session, source.choice(["A", "B", None]))
            except ValueError:
                pass
        case "next":
            shared.set_next_title_in_lineage(session, "A")
        case "who":
            shared.get_session_by_title(source.choice(["A", "B", "A #2"]))
        case _:
            shared.export_session(session)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.mark.parametrize("seed", range(3))
def test_the_real_database_is_linearizable(path: Path, seed: int) -> None:
    result = check_session_db(perform(SessionDB(path), seed))
    assert result.verdict is Verdict.HOLDS, result.drawing or result.reason
    assert {one.key for one in result.linearizations} == {"s0", "s1", None}


def test_the_real_database_with_deletes_and_totals_is_linearizable(path: Path) -> None:
    history = History()
    database = SessionDB(path)
    shared = recorded(database, history, METHODS)
    start = threading.Barrier(3)

    def body(number: int) -> None:
        start.wait()
        for _ in range(4):
            for action in (
                lambda: shared.create_session("s", "cli"),
                lambda: shared.append_message("s", "user", f"{number}"),
                lambda: shared.message_count(),
                lambda: shared.delete_session("s"),
                lambda: shared.session_count(),
            ):
                try:
                    action()
                except sqlite3.IntegrityError:
                    pass

    workers = [threading.Thread(target=body, args=(n,), name=f"t{n}") for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    database.close()
    result = check_session_db(history)
    assert result.verdict is Verdict.HOLDS, result.drawing or result.reason


@pytest.mark.parametrize(
    ("broken", "methods"),
    [
        (LostUpdate, {"get_session", "export_session"}),
        (CountsByItself, {"message_count"}),
    ],
)
def test_a_broken_database_is_found(
    path: Path, broken: Callable[[Path], SessionDB], methods: set[str]
) -> None:
    database = broken(path)
    found = list(check_sessions_linearizable(meet(database)))
    assert [violation.place.removeprefix("SessionDB.") in methods for violation in found] == [True]
    assert found[0].details["drawing"].startswith("not linearizable as a SessionDB session at key")


def meet(database: SessionDB) -> History:
    """Two appends that are made to meet: both look before one of them writes."""
    history = History()
    shared = recorded(database, history, METHODS)
    shared.create_session("s", "cli")
    both = threading.Barrier(2)
    write = SessionDB.append_message

    @wraps(write)
    def later(self: SessionDB, *arguments: Any, **named: Any) -> int:
        both.wait(10)
        return write(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionDB, "append_message", later)
        workers = [
            threading.Thread(target=shared.append_message, args=("s", "user", f"{n}"), name=f"t{n}")
            for n in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    shared.message_count("s")
    shared.get_session("s")
    database.close()
    return history


def test_the_right_database_passes_where_the_broken_ones_are_found(path: Path) -> None:
    assert check_session_db(meet(SessionDB(path))).verdict is Verdict.HOLDS
