"""SessionDB: every method, transactions, other connections, older files, many threads."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes import state as state_module
from hermes.state import MAX_TITLE_LENGTH, SCHEMA_VERSION, SessionDB, SessionDBClosed
from hermes.state_schema import split
from hermes.state_text import base_title, next_title, sanitize_fts5_query, sanitize_title

DAY_S = 86_400


def titled(store: SessionDB, *titles: str) -> None:
    for number, title in enumerate(titles):
        store.create_session(f"s{number}", "cli")
        assert store.set_session_title(f"s{number}", title)


def backdate(store: SessionDB, session_id: str, days: float) -> None:
    with closing(sqlite3.connect(store.db_path)) as connection:
        began = time.time() - days * DAY_S
        connection.execute("UPDATE sessions SET started_at = ? WHERE id = ?", (began, session_id))
        connection.commit()


# -- sessions -----------------------------------------------------------------------------------


def test_a_session_and_its_columns(store: SessionDB) -> None:
    began = time.time()
    given_id = store.create_session(
        "s", "cli", "gpt", {"max_tokens": 5}, "Be kind.", "u1", parent_session_id=None
    )
    session = store.get_session("s")
    assert given_id == "s"
    assert session is not None
    assert began - 1 <= session.pop("started_at") <= time.time()
    assert session == {
        "id": "s",
        "source": "cli",
        "user_id": "u1",
        "model": "gpt",
        "model_config": '{"max_tokens": 5}',
        "system_prompt": "Be kind.",
        "parent_session_id": None,
        "ended_at": None,
        "end_reason": None,
        "message_count": 0,
        "tool_call_count": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "title": None,
    }
    assert store.get_session("t") is None


def test_a_taken_id_is_refused_and_leaves_no_transaction_open(store: SessionDB) -> None:
    store.create_session("s", "cli")
    with pytest.raises(sqlite3.IntegrityError):
        store.create_session("s", "cli")
    # Another connection can write at once: no lock is held.
    with closing(sqlite3.connect(store.db_path, timeout=0)) as other:
        other.execute("INSERT INTO sessions (id, source, started_at) VALUES ('o', 'cli', 0)")
        other.commit()
    assert store.session_count() == 2


def test_a_later_end_overwrites(store: SessionDB) -> None:
    store.create_session("s", "cli")
    store.end_session("s", "crash")
    store.end_session("s", "user")
    session = store.get_session("s")
    assert session is not None
    assert session["end_reason"] == "user"
    assert session["ended_at"] >= session["started_at"]


def test_tokens_add_up_and_the_first_model_stays(store: SessionDB) -> None:
    store.create_session("s", "cli")
    store.update_token_counts("s", 3, 4, "first")
    store.update_token_counts("s", 10, model="second")
    session = store.get_session("s")
    assert session is not None
    found = (session["input_tokens"], session["output_tokens"], session["model"])
    assert found == (13, 4, "first")


def test_ids_by_prefix(store: SessionDB) -> None:
    for session_id in ("abc", "abd", "ab%", "x_y", "xzy"):
        store.create_session(session_id, "cli")
    resolved = {p: store.resolve_session_id(p) for p in ("abc", "ab", "abd", "ab%", "x_", "q", "")}
    assert resolved == {
        "abc": "abc", "ab": None, "abd": "abd", "ab%": "ab%", "x_": "x_y", "q": None, "": None,
    }  # fmt: skip


def test_lists(store: SessionDB) -> None:
    for number, source in enumerate(["cli", "slack", "cli"]):
        store.create_session(f"s{number}", source)
        backdate(store, f"s{number}", 10 - number)
    store.append_message("s0", "system", "hidden")
    store.append_message("s0", "user", "line one\nline two " + "x" * 60)
    assert [s["id"] for s in store.search_sessions()] == ["s2", "s1", "s0"]
    assert [s["id"] for s in store.search_sessions("cli")] == ["s2", "s0"]
    assert [s["id"] for s in store.search_sessions(limit=1, offset=1)] == ["s1"]
    rich = {s["id"]: s for s in store.list_sessions_rich()}
    assert list(rich) == ["s2", "s1", "s0"]
    assert rich["s0"]["preview"] == ("line one line two " + "x" * 60)[:60] + "..."
    assert rich["s0"]["last_active"] > rich["s0"]["started_at"] + 9 * DAY_S
    assert (rich["s1"]["preview"], rich["s1"]["last_active"]) == ("", rich["s1"]["started_at"])
    assert [s["id"] for s in store.list_sessions_rich("slack")] == ["s1"]
    assert (store.session_count(), store.session_count("cli")) == (3, 2)


def test_deleting(store: SessionDB) -> None:
    store.create_session("parent", "cli")
    store.create_session("child", "cli", parent_session_id="parent")
    store.append_message("parent", "user", "hello")
    assert not store.delete_session("unknown")
    with pytest.raises(sqlite3.IntegrityError):
        store.delete_session("parent")
    # Rolled back whole: the messages are still there.
    assert store.message_count("parent") == 1
    assert store.delete_session("child")
    assert store.delete_session("parent")
    assert (store.session_count(), store.message_count()) == (0, 0)
    assert store.search_messages("hello") == []


def test_pruning(store: SessionDB) -> None:
    for name in ("old", "old-open", "old-slack", "new", "old-parent"):
        store.create_session(name, "slack" if name == "old-slack" else "cli")
        store.append_message(name, "user", f"word {name}")
        if name != "old-open":
            store.end_session(name, "done")
        if name != "new":
            backdate(store, name, 100)
    store.create_session("child", "cli", parent_session_id="old-parent")
    assert store.prune_sessions(90, "cli") == 1
    left = {s["id"] for s in store.search_sessions()}
    assert left == {"old-open", "old-slack", "new", "old-parent", "child"}
    assert store.prune_sessions() == 1
    assert store.prune_sessions() == 0
    assert store.message_count() == 3


# -- titles -------------------------------------------------------------------------------------


def test_titles(store: SessionDB) -> None:
    titled(store, "  A  plan\n")
    store.create_session("s1", "cli")
    assert store.get_session_title("s0") == "A plan"
    found = store.get_session_by_title("A plan")
    assert found is not None
    assert found["id"] == "s0"
    assert store.get_session_by_title("A") is None
    with pytest.raises(ValueError, match="'A plan' is held by session s0"):
        store.set_session_title("s1", "A plan")
    assert store.set_session_title("s0", "A plan")
    assert store.set_session_title("s0", None)
    assert store.get_session_title("s0") is None
    assert store.set_session_title("s1", "A plan")
    assert not store.set_session_title("unknown", "x")
    assert store.get_session_title("unknown") is None


def test_lineages(store: SessionDB) -> None:
    assert store.get_next_title_in_lineage("plan") == "plan"
    titled(store, "plan", "plan #7", "plan #x", "plan%", "planet #9")
    assert store.get_next_title_in_lineage("plan") == "plan #8"
    assert store.get_next_title_in_lineage("plan #3") == "plan #8"
    assert store.get_next_title_in_lineage("plan%") == "plan% #2"
    assert store.resolve_session_by_title("plan #7") == "s1"
    assert store.resolve_session_by_title("plan%") == "s3"
    backdate(store, "s2", 1)
    assert store.resolve_session_by_title("plan") == "s1"
    assert store.resolve_session_by_title("nothing") is None


def test_a_lineage_title_is_found_and_taken_in_one_step(store: SessionDB) -> None:
    for number in range(8):
        store.create_session(f"s{number}", "cli")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: store.set_next_title_in_lineage(f"s{n}", "plan"), range(8)))
    assert sorted(taken) == ["plan", *(f"plan #{number}" for number in range(2, 9))]


@given(st.text())
def test_a_sanitised_title_is_clean_and_stays_as_it_is(title: str) -> None:
    if len(" ".join(title.split())) > MAX_TITLE_LENGTH:
        return
    clean = sanitize_title(title)
    assert clean is None or clean == clean.strip() != ""
    assert sanitize_title(clean) == clean
    assert SessionDB.sanitize_title(title) == clean


def test_sanitised_titles() -> None:
    assert sanitize_title(None) is None
    assert sanitize_title(" \u200b\u202e\x00 ") is None
    assert sanitize_title("a\tb\u200bc\ud800") == "a bc"
    with pytest.raises(ValueError, match="the title has 101 characters; at most 100 are kept"):
        sanitize_title("x" * 101)


@given(st.text(max_size=20), st.sets(st.integers(2, 50)))
def test_the_next_title_is_free_and_of_the_lineage(base: str, numbers: set[int]) -> None:
    base = base_title(base)
    taken = [base, *(f"{base} #{number}" for number in numbers)]
    following = next_title(base, taken)
    assert following not in taken
    assert base_title(following) == base
    assert next_title(base, []) == base


# -- messages -----------------------------------------------------------------------------------


def test_messages_and_counters(store: SessionDB) -> None:
    store.create_session("s", "cli")
    calls = [{"id": "1", "function": {"name": "terminal", "arguments": "{}"}}] * 2
    ids = [
        store.append_message("s", "user", "hi"),
        store.append_message("s", "assistant", None, tool_calls=calls, finish_reason="tool_calls"),
        store.append_message("s", "tool", "out", tool_name="terminal", tool_call_id="1"),
        store.append_message("s", "assistant", "bye", tool_calls={"one": 1}, token_count=5),
    ]
    messages = store.get_messages("s")
    assert [m["id"] for m in messages] == ids == sorted(ids)
    assert messages[1]["tool_calls"] == calls
    assert (messages[1]["content"], messages[1]["finish_reason"]) == (None, "tool_calls")
    assert (messages[2]["tool_name"], messages[2]["tool_call_id"]) == ("terminal", "1")
    assert messages[3]["token_count"] == 5
    session = store.get_session("s")
    assert session is not None
    assert (session["message_count"], session["tool_call_count"]) == (4, 3)
    assert (store.message_count(), store.message_count("s"), store.message_count("t")) == (4, 4, 0)
    assert store.get_messages_as_conversation("s")[1:3] == [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "out", "tool_call_id": "1", "tool_name": "terminal"},
    ]
    store.clear_messages("s")
    session = store.get_session("s")
    assert session is not None
    assert (session["message_count"], session["tool_call_count"]) == (0, 0)
    assert store.get_messages("s") == []


def test_a_message_of_an_unknown_session_is_refused(store: SessionDB) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.append_message("unknown", "user", "hi")
    assert store.message_count() == 0


# -- search and export --------------------------------------------------------------------------


def test_search(store: SessionDB) -> None:
    for name, source in (("a", "cli"), ("b", "slack"), ("c", "subagent")):
        store.create_session(name, source, "gpt")
        store.append_message(name, "user", "before")
        store.append_message(name, "assistant", f"the zebra of {name} eats grass")
        store.append_message(name, "user", "x" * 300)
    assert {hit["session_id"] for hit in store.search_messages("zebra")} == {"a", "b"}
    (hit,) = store.search_messages("zebra gras*", source_filter=["subagent"])
    assert hit["snippet"] == "the >>>zebra<<< of c eats >>>grass<<<"
    assert (hit["role"], hit["source"], hit["model"]) == ("assistant", "subagent", "gpt")
    assert "content" not in hit
    assert [m["content"] for m in hit["context"]] == [
        "before", "the zebra of c eats grass", "x" * 200,
    ]  # fmt: skip
    assert store.search_messages("zebra", role_filter=["user"]) == []
    assert len(store.search_messages("zebra", limit=1)) == 1
    assert len(store.search_messages("zebra", limit=5, offset=1)) == 1
    assert store.search_messages("before AND zebra") == []
    assert len(store.search_messages('AND "zebra" OR')) == 2


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionDB]:
    with closing(SessionDB(tmp_path_factory.mktemp("search") / "state.db")) as store:
        store.create_session("s", "cli")
        store.append_message("s", "user", "a b ab AND OR")
        yield store


@settings(deadline=None, max_examples=300)
@given(query=st.text(alphabet=st.sampled_from("ab \"*^(){}+-:ANDORT'\x00;."), max_size=20))
def test_no_query_raises(searched: SessionDB, query: str) -> None:
    assert isinstance(searched.search_messages(query), list)
    clean = sanitize_fts5_query(query)
    assert sanitize_fts5_query(clean) == clean == SessionDB._sanitize_fts5_query(query)


def test_export(store: SessionDB) -> None:
    for name, source in (("a", "cli"), ("b", "slack")):
        store.create_session(name, source)
        store.append_message(name, "user", f"hello {name}")
    exported = store.export_session("a")
    assert exported is not None
    assert exported["id"] == "a"
    assert [m["content"] for m in exported["messages"]] == ["hello a"]
    assert store.export_session("unknown") is None
    assert [s["id"] for s in store.export_all()] == ["a", "b"]
    assert [s["messages"][0]["content"] for s in store.export_all("slack")] == ["hello b"]
    json.dumps(store.export_all())


# -- transactions, other connections, closing -----------------------------------------------------


def test_a_failed_write_leaves_nothing_half_done(store: SessionDB) -> None:
    store.create_session("s", "cli")
    store._execute(
        "CREATE TRIGGER refuse BEFORE UPDATE OF message_count ON sessions "
        "BEGIN SELECT raise(ABORT, 'refused'); END",
        (),
    )
    with pytest.raises(sqlite3.IntegrityError, match="refused"):
        store.append_message("s", "user", "hi")
    store._execute("DROP TRIGGER refuse", ())
    assert store.message_count() == 0
    assert store.append_message("s", "user", "again") > 0


@contextmanager
def write_lock(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_write_waits_for_another_connection(
    store: SessionDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    store._connection().execute("PRAGMA busy_timeout = 0")
    with write_lock(store.db_path) as other:
        timer = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
        timer.start()
        store.create_session("s", "cli")
        timer.join()
    assert store.session_count() == 1


def test_a_write_gives_up_in_the_end(store: SessionDB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "PAUSE_S", (0.0, 0.001))
    store._connection().execute("PRAGMA busy_timeout = 0")
    with write_lock(store.db_path):
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            store.create_session("s", "cli")
        # Reading goes on meanwhile.
        assert store.session_count() == 0


def test_a_reader_sees_one_snapshot(store: SessionDB) -> None:
    store.create_session("s", "cli")

    def work(connection: sqlite3.Connection) -> tuple[int, int]:
        count = "SELECT count(*) FROM messages"
        before = connection.execute(count).fetchone()[0]
        with closing(SessionDB(store.db_path)) as other:
            other.append_message("s", "user", "hi")
        return before, connection.execute(count).fetchone()[0]

    assert store._read(work) == (0, 0)
    assert store.message_count() == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda db: db.get_session("s"),
        lambda db: db.create_session("s", "cli"),
        lambda db: db.append_message("s", "user", "hi"),
        lambda db: db.search_messages("hi"),
    ],
)
def test_use_after_close(store: SessionDB, use: Callable[[SessionDB], Any]) -> None:
    store.close()
    store.close()
    with pytest.raises(SessionDBClosed, match=r"state\.db was closed"):
        use(store)


def test_closing_waits_for_who_is_inside(store: SessionDB) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> int:
        inside.set()
        go_on.wait(20)
        return int(connection.execute("SELECT 41 + 1").fetchone()[0])

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(store._read, work)
        inside.wait(20)
        closing_ = pool.submit(store.close)
        time.sleep(0.05)
        assert not closing_.done()
        go_on.set()
        assert reading.result() == 42
        closing_.result()


def test_the_default_file(home: Path) -> None:
    with closing(SessionDB()) as store:
        assert store.db_path == home / "state.db"
        mode = store._connection().execute("PRAGMA journal_mode").fetchone()[0]
        keys = store._connection().execute("PRAGMA foreign_keys").fetchone()[0]
    assert (mode, keys) == ("wal", 1)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all, but long enough to be read" * 30)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        SessionDB(tmp_path / "state.db")


# -- older files ----------------------------------------------------------------------------------

_VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, user_id TEXT, model TEXT, model_config TEXT,
    system_prompt TEXT, parent_session_id TEXT REFERENCES sessions(id), started_at REAL NOT NULL,
    ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0,
    tool_call_count INTEGER DEFAULT 0, input_tokens INTEGER DEFAULT 0,
    output_tokens INTEGER DEFAULT 0
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL REFERENCES sessions(id),
    role TEXT NOT NULL, content TEXT, tool_call_id TEXT, tool_calls TEXT, tool_name TEXT,
    timestamp REAL NOT NULL, token_count INTEGER
);
INSERT INTO sessions (id, source, started_at, message_count) VALUES ('old', 'cli', 1.0, 1);
INSERT INTO messages (session_id, role, content, timestamp) VALUES ('old', 'user', 'hey', 1.0);
"""
_VERSION_2 = _VERSION_1.replace("VALUES (1);", "VALUES (2);", 1).replace(
    "token_count INTEGER\n", "token_count INTEGER, finish_reason TEXT\n"
)
_VERSION_3 = _VERSION_2.replace("VALUES (2);", "VALUES (3);", 1).replace(
    "output_tokens INTEGER DEFAULT 0\n", "output_tokens INTEGER DEFAULT 0, title TEXT\n"
)


@pytest.mark.parametrize("schema", [_VERSION_1, _VERSION_2, _VERSION_3])
def test_older_files_are_brought_up_to_date(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
    for _ in range(2):
        with closing(SessionDB(path)) as store:
            assert store.get_messages("old")[0]["content"] == "hey"
            assert len(store.search_messages("hey")) == 1
            version = store._number("SELECT version FROM schema_version", ())
            assert version == SCHEMA_VERSION == 4
            store.append_message("old", "assistant", "ho", finish_reason="stop")
            store.set_session_title("old", "an old plan")
            assert store.search_messages("ho")
    with closing(SessionDB(path)) as store:
        assert store.message_count("old") == 3
        store.create_session("new", "cli")
        with pytest.raises(sqlite3.IntegrityError):
            store._execute("UPDATE sessions SET title = 'an old plan' WHERE id = 'new'", ())


def test_scripts_are_split_at_statements() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;"
    assert split(f"SELECT 1;\n{trigger}\nSELECT ';';") == ["SELECT 1;", trigger, "SELECT ';';"]


def test_several_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from hermes.state import SessionDB; db = SessionDB(sys.argv[1]);"
        "db.create_session(sys.argv[2], 'cli'); db.append_message(sys.argv[2], 'user', 'hi');"
        "db.close()"
    )
    path = tmp_path / "state.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), f"s{number}"])
        for number in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    with closing(SessionDB(path)) as store:
        assert (store.session_count(), store.message_count()) == (4, 4)


# -- many threads ---------------------------------------------------------------------------------


@pytest.mark.repeat(3)
def test_many_threads_share_one_object(store: SessionDB) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(write_and_read, store, f"s{number}") for number in range(8)]
            for future in futures:
                future.result()
    finally:
        sys.setswitchinterval(interval)
    assert (store.session_count(), store.message_count()) == (8, 160)
    assert store._all("PRAGMA integrity_check", ()) == [{"integrity_check": "ok"}]
    assert store._all("PRAGMA foreign_key_check", ()) == []


def write_and_read(store: SessionDB, name: str) -> None:
    store.create_session(name, "cli")
    ids = []
    for number in range(20):
        ids.append(store.append_message(name, "user", f"{name} says {number}"))
        assert [m["content"] for m in store.get_messages(name)][-1] == f"{name} says {number}"
    session = store.get_session(name)
    assert session is not None
    assert session["message_count"] == 20
    assert [m["id"] for m in store.get_messages(name)] == ids
    assert len(store.search_messages(name, limit=100)) == 20
