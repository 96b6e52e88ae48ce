"""Family `sessions`: writers and readers of one database file, over two SessionDB objects."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from hermes.state import SessionDB
from stress.finding import Violation
from stress.oracles import sessions as oracle
from stress.oracles.history import Call
from stress.plan import Operation
from stress.workloads.family import Family, Stage

SHARED_SESSIONS = ("common-0", "common-1")
OLD_SESSIONS = ("old-0", "old-1", "old-2")
OLD_DAYS = 90
Drawn = tuple[str, dict[str, Any]]


@dataclass
class State:
    """The database under test: connection 0 is the one that agents share, 1 another on its file."""

    stage: Stage
    connections: tuple[SessionDB, SessionDB]


def draw_writer(source: random.Random, actor: str, size: int, connection: int) -> list[Drawn]:
    """Operations of one writer: its own sessions, and the sessions that all writers share."""
    own: list[str] = []
    written: list[tuple[str, str]] = []
    drawn: list[Drawn] = []

    def add(verb: str, **arguments: Any) -> None:
        drawn.append((f"sessions.{verb}", {"connection": connection, **arguments}))

    def create() -> None:
        own.append(f"{actor}-{len(drawn)}")
        add("create", session=own[-1])

    def append() -> None:
        session = source.choice([*own[-2:], *SHARED_SESSIONS])
        token = f"tok{actor}x{len(drawn)}".replace("-", "")
        tools = source.choice([0, 0, 0, 1, 2])
        content = f"{token} says {source.choice(['yes', 'no', 'perhaps'])}"
        add("append", session=session, content=content, token=token, tools=tools)
        written.append((session, token))

    create()
    append()
    verbs = ["append"] * 9 + ["search", "read", "read", "tokens", "title", "export", "create"]
    verbs += ["end", "delete", "prune"]
    for _ in range(12 * size):
        verb = source.choice(verbs)
        if verb == "create":
            create()
        elif verb == "append":
            append()
        elif verb == "search":
            session, token = source.choice(written)
            add("search", session=session, token=token)
        elif verb == "tokens":
            add("tokens", session=source.choice(own), input=source.randrange(1, 50))
        elif verb == "title":
            # Few titles for all writers: two of them will want the same one.
            add("title", session=own[-1], title=f"title {source.randrange(4)}")
        elif verb == "delete" and len(own) > 1:
            session = own.pop(0)
            written[:] = [pair for pair in written if pair[0] != session]
            add("delete", session=session)
            if not written:
                append()
        elif verb == "prune":
            add("prune")
        elif verb in ("read", "export"):
            add(verb, session=source.choice([own[-1], *SHARED_SESSIONS]))
        elif verb == "end":
            add("end", session=source.choice(own))
    add("prune")
    return drawn


def open_state(stage: Stage) -> State:
    """Open the second connection and put the shared and the old sessions in place."""
    second = SessionDB(stage.directory / "state.db")
    for session in SHARED_SESSIONS:
        second.create_session(session, source="cli")
    for session in OLD_SESSIONS:
        second.create_session(session, source="cli")
        second.end_session(session, "done")
    with closing(sqlite3.connect(stage.directory / "state.db", timeout=10)) as raw, raw:
        long_ago = time.time() - (OLD_DAYS + 10) * 86_400
        raw.execute(
            "UPDATE sessions SET started_at = ?, ended_at = ? WHERE id LIKE 'old-%'",
            (long_ago, long_ago),
        )
    return State(stage, (stage.store, second))


def _database(state: State, operation: Operation) -> SessionDB:
    return state.connections[int(operation.arguments["connection"])]


def create(state: State, actor: str, operation: Operation) -> None:
    """Create a session."""
    _database(state, operation).create_session(operation.arguments["session"], source="cli")


def append(state: State, actor: str, operation: Operation) -> int:
    """Append a message; the result is the row id."""
    arguments = operation.arguments
    tools = [{"id": f"call-{i}"} for i in range(int(arguments["tools"]))] or None
    return _database(state, operation).append_message(
        arguments["session"], "user", arguments["content"], tool_calls=tools
    )


def end(state: State, actor: str, operation: Operation) -> None:
    """End a session."""
    _database(state, operation).end_session(operation.arguments["session"], "done")


def tokens(state: State, actor: str, operation: Operation) -> None:
    """Add to a session's token counters."""
    _database(state, operation).update_token_counts(
        operation.arguments["session"], input_tokens=operation.arguments["input"]
    )


def title(state: State, actor: str, operation: Operation) -> bool:
    """Set a title; False where another session holds it."""
    database = _database(state, operation)
    try:
        return database.set_session_title(
            operation.arguments["session"], operation.arguments["title"]
        )
    except ValueError:
        return False


def search(state: State, actor: str, operation: Operation) -> int:
    """How many messages full-text search finds for a token."""
    return len(_database(state, operation).search_messages(operation.arguments["token"]))


def read(state: State, actor: str, operation: Operation) -> list[str]:
    """The contents of a session's messages."""
    rows = _database(state, operation).get_messages(operation.arguments["session"])
    return [row["content"] for row in rows]


def export(state: State, actor: str, operation: Operation) -> dict[str, int]:
    """The counter and the number of messages in one export."""
    exported = _database(state, operation).export_session(operation.arguments["session"])
    if exported is None:
        raise LookupError(f"session {operation.arguments['session']!r} is not there")
    return {"count": exported["message_count"], "messages": len(exported["messages"])}


def delete(state: State, actor: str, operation: Operation) -> bool:
    """Delete a session and its messages."""
    return _database(state, operation).delete_session(operation.arguments["session"])


def prune(state: State, actor: str, operation: Operation) -> int:
    """Delete old sessions; the result is how many."""
    return _database(state, operation).prune_sessions(older_than_days=OLD_DAYS)


def take_reading(state: State, tokens_used: Sequence[str]) -> oracle.StoreReading:
    """Read the whole database through a connection that Hermes knows nothing of."""
    path = state.stage.directory / "state.db"
    with closing(sqlite3.connect(path, timeout=10)) as raw:
        problems = [f"integrity_check: {row[0]}" for row in raw.execute("PRAGMA integrity_check")]
        problems = [line for line in problems if line != "integrity_check: ok"]
        problems += [f"foreign_key_check: {row}" for row in raw.execute("PRAGMA foreign_key_check")]
        try:
            check = "INSERT INTO messages_fts(messages_fts, rank) VALUES('integrity-check', 1)"
            raw.execute(check)
        except sqlite3.DatabaseError as error:
            problems.append(f"fts integrity-check: {error}")
        finally:
            raw.rollback()
        sessions = tuple(
            oracle.StoredSession(id_, messages, tools, tokens_in, title_, ended is not None)
            for id_, messages, tools, tokens_in, title_, ended in raw.execute(
                "SELECT id, message_count, tool_call_count, input_tokens, title, ended_at"
                " FROM sessions"
            )
        )
        messages = tuple(
            oracle.StoredMessage(*row)
            for row in raw.execute(
                "SELECT id, session_id, role, content, coalesce(json_array_length(tool_calls), 0)"
                " FROM messages ORDER BY id"
            )
        )
        query = "SELECT count(*) FROM messages_fts WHERE messages_fts MATCH ?"
        hits = {token: raw.execute(query, (token,)).fetchone()[0] for token in tokens_used}
    still_open = [
        str(number)
        for number, database in enumerate(state.connections)
        if database._conn is not None and database._conn.in_transaction
    ]
    return oracle.StoreReading(sessions, messages, hits, tuple(problems), tuple(still_open))


def judge(state: State, calls: Sequence[Call]) -> Iterator[Violation]:
    """Hold the history against the database as it is now."""
    used = [str(c.arguments["token"]) for c in calls if c.name == "sessions.append"]
    reading = take_reading(state, used)
    yield from oracle.check_messages(calls, reading)
    yield from oracle.check_counters(calls, reading)
    yield from oracle.check_search(calls, reading)
    yield from oracle.check_reads(calls)
    yield from oracle.check_lifecycle(calls, reading, OLD_SESSIONS)
    yield from oracle.check_integrity(reading)


def close(state: State) -> None:
    """Close the second connection; the shared one belongs to the stage."""
    state.connections[1].close()


FAMILY = Family(
    name="sessions",
    open=open_state,
    close=close,
    handlers={
        "create": create,
        "append": append,
        "end": end,
        "tokens": tokens,
        "title": title,
        "search": search,
        "read": read,
        "export": export,
        "delete": delete,
        "prune": prune,
    },
    judge=judge,
)


def draw_actors(source: random.Random, size: int) -> Iterable[tuple[str, list[Drawn]]]:
    """Four writers on the shared connection and one on its own."""
    for number in range(5):
        yield f"writer-{number}", draw_writer(source, f"w{number}", size, int(number == 4))
