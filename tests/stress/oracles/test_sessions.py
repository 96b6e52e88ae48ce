"""Each oracle of the session store is seen to pass on a good reading and to fail on a bad one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stress.oracles import sessions as oracle
from stress.oracles.history import Call
from stress.oracles.sessions import StoredMessage, StoredSession, StoreReading


def append(step: int, row: int, actor: str = "a", session: str = "s") -> Call:
    arguments = {"session": session, "content": f"tok{step} yes", "token": f"tok{step}", "tools": 0}
    return Call(actor, step, "sessions.append", arguments, result=row)


def call(verb: str, step: int, result: Any = None, error: str = "", **arguments: Any) -> Call:
    return Call("a", step, f"sessions.{verb}", {"session": "s", **arguments}, result, error)


CALLS = (append(0, 1), append(1, 2), append(2, 3))
GOOD = StoreReading(
    sessions=(StoredSession("s", 3, 0),),
    messages=tuple(StoredMessage(i + 1, "s", "user", f"tok{i} yes") for i in range(3)),
    hits={"tok0": 1, "tok1": 1, "tok2": 1},
)


def places(violations: Any) -> list[str]:
    return [violation.place for violation in violations]


def test_a_good_reading_passes_every_check() -> None:
    calls = (*CALLS, call("read", 3, ["tok0 yes", "tok1 yes", "tok2 yes"]))
    assert places(oracle.check_messages(calls, GOOD)) == []
    assert places(oracle.check_counters(calls, GOOD)) == []
    assert places(oracle.check_search(calls, GOOD)) == []
    assert places(oracle.check_reads(calls)) == []
    assert places(oracle.check_lifecycle(calls, GOOD, ())) == []
    assert places(oracle.check_integrity(GOOD)) == []


def test_a_lost_message_is_seen() -> None:
    reading = replace(GOOD, messages=GOOD.messages[:2])
    assert places(oracle.check_messages(CALLS, reading)) == ["SessionDB.append_message: lost"]


def test_a_doubled_message_is_seen() -> None:
    reading = replace(GOOD, messages=(*GOOD.messages, StoredMessage(9, "s", "user", "tok1 yes")))
    found = places(oracle.check_messages(CALLS, reading))
    assert found == ["SessionDB.append_message: duplicated"]


def test_a_wrong_row_id_is_seen() -> None:
    calls = (append(0, 2), append(1, 2), append(2, 3))
    found = places(oracle.check_messages(calls, GOOD))
    assert found == ["SessionDB.append_message: wrong row id"]


def test_a_missing_row_id_is_seen() -> None:
    calls = (append(0, 77), *CALLS[1:])
    found = list(oracle.check_messages(calls, GOOD))
    assert [v.place for v in found] == ["SessionDB.append_message: wrong row id"]
    assert "no row" in found[0].message


def test_messages_of_one_actor_out_of_order_are_seen() -> None:
    calls = (replace(CALLS[0], step=2), CALLS[1], replace(CALLS[2], step=0))
    assert places(oracle.check_messages(calls, GOOD)) == ["SessionDB.append_message: order"]


def test_messages_of_different_actors_have_no_order() -> None:
    calls = (replace(CALLS[0], step=2, actor="b"), CALLS[1], CALLS[2])
    assert places(oracle.check_messages(calls, GOOD)) == []


def test_messages_of_a_deleted_session_are_judged_by_nobody() -> None:
    calls = (*CALLS, call("delete", 3, True))
    empty = StoreReading()
    assert places(oracle.check_messages(calls, empty)) == []
    assert places(oracle.check_search(calls, empty)) == []


@pytest.mark.parametrize(
    ("session", "column"),
    [
        (StoredSession("s", 2, 0), "sessions.message_count"),
        (StoredSession("s", 3, 1), "sessions.tool_call_count"),
        (StoredSession("s", 3, 0, input_tokens=5), "sessions.input_tokens"),
    ],
)
def test_a_counter_that_is_off_is_seen(session: StoredSession, column: str) -> None:
    assert places(oracle.check_counters(CALLS, replace(GOOD, sessions=(session,)))) == [column]


def test_tokens_of_a_session_with_a_failed_call_are_uncertain() -> None:
    calls = (*CALLS, call("tokens", 3, error="OperationalError: locked", input=5))
    reading = replace(GOOD, sessions=(StoredSession("s", 3, 0, input_tokens=5),))
    assert places(oracle.check_counters(calls, reading)) == []


def test_a_message_that_search_misses_is_seen() -> None:
    reading = replace(GOOD, hits={**GOOD.hits, "tok1": 0})
    assert places(oracle.check_search(CALLS, reading)) == ["messages_fts"]


def test_a_writer_that_does_not_find_its_own_message_is_seen() -> None:
    calls = (*CALLS, call("search", 3, 0, token="tok1"))
    found = places(oracle.check_search(calls, GOOD))
    assert found == ["SessionDB.search_messages: own write"]


@pytest.mark.parametrize("seen", [["tok0 yes"], ["tok1 yes", "tok0 yes", "tok2 yes"], []])
def test_a_reader_that_misses_its_own_messages_is_seen(seen: list[str]) -> None:
    calls = (*CALLS, call("read", 3, seen))
    assert places(oracle.check_reads(calls)) == ["SessionDB.get_messages"]


def test_an_export_that_disagrees_with_itself_is_seen() -> None:
    calls = (*CALLS, call("export", 3, {"count": 2, "messages": 3}))
    assert places(oracle.check_reads(calls)) == ["SessionDB.export_session"]


@pytest.mark.parametrize(
    ("one", "reading", "place"),
    [
        (call("create", 0), StoreReading(), "SessionDB.create_session"),
        (call("end", 0), GOOD, "SessionDB.end_session"),
        (call("title", 0, True, title="t"), GOOD, "SessionDB.set_session_title"),
        (call("delete", 0, True), GOOD, "SessionDB.delete_session"),
        (call("delete", 0, False), StoreReading(), "SessionDB.delete_session"),
        (call("prune", 0, 0), GOOD, "SessionDB.prune_sessions"),
    ],
)
def test_a_lifecycle_step_without_effect_is_seen(
    one: Call, reading: StoreReading, place: str
) -> None:
    old = ("old-0",) if one.name == "sessions.prune" else ()
    assert places(oracle.check_lifecycle((one,), reading, old)) == [place]


def test_prunes_that_delete_each_old_session_once_pass() -> None:
    calls = (call("prune", 0, 1), call("prune", 1, 0))
    assert places(oracle.check_lifecycle(calls, StoreReading(), ("old-0",))) == []


def test_a_title_refused_is_not_expected() -> None:
    assert places(oracle.check_lifecycle((call("title", 0, False, title="t"),), GOOD, ())) == []


def test_problems_and_open_transactions_are_seen() -> None:
    reading = replace(GOOD, problems=("integrity_check: row 3 missing",), open_transactions=("0",))
    assert places(oracle.check_integrity(reading)) == [
        "database file: integrity_check",
        "SessionDB: transaction left open",
    ]
