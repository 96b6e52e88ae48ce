"""SessionDB: sessions and their messages in one SQLite file, shared by the agents of a process."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hermes.config import hermes_home
from hermes.state_rows import (
    next_free_title,
    read_context,
    read_export,
    read_messages,
    set_title,
)
from hermes.state_schema import SCHEMA_VERSION, migrate
from hermes.state_text import (
    MAX_TITLE_LENGTH,
    escape_like,
    sanitize_fts5_query,
    sanitize_title,
)

__all__ = ["MAX_TITLE_LENGTH", "SCHEMA_VERSION", "SessionDB", "SessionDBClosed"]

T = TypeVar("T")

BUSY_TIMEOUT_S = 1.0
WRITE_TRIES_MAX = 15
PAUSE_S = (0.020, 0.150)
CHECKPOINT_EVERY = 50
DEFAULT_SOURCES = ("cli", "telegram", "discord", "whatsapp", "slack")
PREVIEW_LENGTH = 60


class SessionDBClosed(RuntimeError):
    """A SessionDB was used after `close()`."""


class SessionDB:
    """One connection behind one lock; every method may be called from any thread.

    A write is one transaction: it takes the database's write lock first (BEGIN IMMEDIATE), is
    tried again while another connection holds it, and is rolled back whole on any error. A read
    sees one snapshot. Methods raise `SessionDBClosed` after `close()`.
    """

    def __init__(self, db_path: Path | str | None = None) -> None:
        """Open or make the file; by default `state.db` in the Hermes home."""
        self.db_path = Path(db_path) if db_path is not None else hermes_home() / "state.db"
        self.db_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._writes = 0
        # Autocommit: transactions begin and end where this file says so, on every Python alike.
        self._conn: sqlite3.Connection | None = sqlite3.connect(
            self.db_path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._conn.row_factory = sqlite3.Row
        try:
            self._retry(self._set_up)
            self._write(migrate)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection once no other thread is inside it. May be called twice."""
        with self._lock:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    # -- transactions ---------------------------------------------------------------------------

    @staticmethod
    def _set_up(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    def _connection(self) -> sqlite3.Connection:
        if self._conn is None:
            raise SessionDBClosed(f"the session database {self.db_path} was closed")
        return self._conn

    def _retry(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` under the lock, again while another connection holds the write lock."""
        for attempt in range(1, WRITE_TRIES_MAX + 1):
            try:
                with self._lock:
                    return work(self._connection())
            except sqlite3.OperationalError as error:
                busy = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if busy not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if attempt == WRITE_TRIES_MAX:
                    raise
            # Not under the lock, and not in step with the others that wait.
            time.sleep(random.uniform(*PAUSE_S))
        raise AssertionError("the last try returns or raises")

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one write transaction."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._writes += 1
            if self._writes % CHECKPOINT_EVERY == 0:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            return result

        return self._retry(transaction)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one snapshot."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    # -- sessions -------------------------------------------------------------------------------

    def create_session(
        self,
        session_id: str,
        source: str,
        model: str | None = None,
        model_config: Mapping[str, Any] | None = None,
        system_prompt: str | None = None,
        user_id: str | None = None,
        parent_session_id: str | None = None,
    ) -> str:
        """Insert a session and return its id. Raises sqlite3.IntegrityError where it is taken."""
        row = (
            session_id,
            source,
            user_id,
            model,
            json.dumps(model_config) if model_config is not None else None,
            system_prompt,
            parent_session_id,
            time.time(),
        )
        self._write(
            lambda connection: connection.execute(
                "INSERT INTO sessions (id, source, user_id, model, model_config, system_prompt,"
                " parent_session_id, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )
        return session_id

    def end_session(self, session_id: str, end_reason: str) -> None:
        """Set the end to now; an earlier end is overwritten."""
        self._execute(
            "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ?",
            (time.time(), end_reason, session_id),
        )

    def update_system_prompt(self, session_id: str, system_prompt: str) -> None:
        """Store the system prompt of a session."""
        self._execute(
            "UPDATE sessions SET system_prompt = ? WHERE id = ?", (system_prompt, session_id)
        )

    def update_token_counts(
        self,
        session_id: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        model: str | None = None,
    ) -> None:
        """Add to the counters; set the model where none is known."""
        self._execute(
            "UPDATE sessions SET input_tokens = input_tokens + ?,"
            " output_tokens = output_tokens + ?, model = coalesce(model, ?) WHERE id = ?",
            (input_tokens, output_tokens, model, session_id),
        )

    def get_session(self, session_id: str) -> dict[str, Any] | None:
        """The row of a session, None where there is none."""
        return self._one("SELECT * FROM sessions WHERE id = ?", (session_id,))

    def resolve_session_id(self, session_id_or_prefix: str) -> str | None:
        """The exact id, else the only id with that prefix, else None."""

        def work(connection: sqlite3.Connection) -> str | None:
            exact = connection.execute(
                "SELECT id FROM sessions WHERE id = ?", (session_id_or_prefix,)
            ).fetchone()
            if exact:
                return str(exact["id"])
            rows = connection.execute(
                "SELECT id FROM sessions WHERE id LIKE ? ESCAPE '\\' LIMIT 2",
                (escape_like(session_id_or_prefix) + "%",),
            ).fetchall()
            return str(rows[0]["id"]) if len(rows) == 1 else None

        return self._read(work)

    def search_sessions(
        self, source: str | None = None, limit: int = 20, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Sessions, newest first."""
        return self._all(
            "SELECT * FROM sessions WHERE ? IS NULL OR source = ?"
            " ORDER BY started_at DESC LIMIT ? OFFSET ?",
            (source, source, limit, offset),
        )

    def list_sessions_rich(
        self, source: str | None = None, limit: int = 20, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Sessions, newest first, with `preview` (first user message) and `last_active`."""
        rows = self._all(
            "SELECT s.*,"
            " (SELECT content FROM messages WHERE session_id = s.id AND role = 'user'"
            "  AND content IS NOT NULL ORDER BY timestamp, id LIMIT 1) AS preview,"
            " coalesce((SELECT max(timestamp) FROM messages WHERE session_id = s.id),"
            "  s.started_at) AS last_active"
            " FROM sessions s WHERE ? IS NULL OR s.source = ?"
            " ORDER BY s.started_at DESC LIMIT ? OFFSET ?",
            (source, source, limit, offset),
        )
        for row in rows:
            text = " ".join((row["preview"] or "").split("\n")).strip()
            cut = text[:PREVIEW_LENGTH] + "..." if len(text) > PREVIEW_LENGTH else text
            row["preview"] = cut
        return rows

    def session_count(self, source: str | None = None) -> int:
        """How many sessions there are."""
        return self._number(
            "SELECT count(*) FROM sessions WHERE ? IS NULL OR source = ?", (source, source)
        )

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and its messages; False where it is unknown.

        Raises sqlite3.IntegrityError where another session names it as its parent.
        """

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM messages WHERE session_id = ?", (session_id,))
            done = connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
            return done.rowcount > 0

        return self._write(work)

    def prune_sessions(self, older_than_days: int = 90, source: str | None = None) -> int:
        """Delete ended sessions that began before the cutoff; how many. Parents of others stay."""

        def work(connection: sqlite3.Connection) -> int:
            cutoff = time.time() - older_than_days * 86_400
            rows = connection.execute(
                "SELECT id FROM sessions WHERE ended_at IS NOT NULL AND started_at < ?"
                " AND (? IS NULL OR source = ?) AND id NOT IN (SELECT parent_session_id"
                "  FROM sessions WHERE parent_session_id IS NOT NULL)",
                (cutoff, source, source),
            ).fetchall()
            ids = [(row["id"],) for row in rows]
            connection.executemany("DELETE FROM messages WHERE session_id = ?", ids)
            connection.executemany("DELETE FROM sessions WHERE id = ?", ids)
            return len(ids)

        return self._write(work)

    # -- titles ---------------------------------------------------------------------------------

    @staticmethod
    def sanitize_title(title: str | None) -> str | None:
        """See `hermes.state_text.sanitize_title`."""
        return sanitize_title(title)

    def set_session_title(self, session_id: str, title: str | None) -> bool:
        """Set or clear a title; whether the session is known.

        Raises ValueError where another session holds it, naming that session.
        """
        clean = sanitize_title(title)
        return self._write(lambda connection: set_title(connection, session_id, clean))

    def set_next_title_in_lineage(self, session_id: str, title: str) -> str:
        """Give a session the next free title of a lineage, in one step, and return it."""

        def work(connection: sqlite3.Connection) -> str:
            free = next_free_title(connection, title)
            set_title(connection, session_id, free)
            return free

        return self._write(work)

    def get_session_title(self, session_id: str) -> str | None:
        """The title of a session."""
        row = self._one("SELECT title FROM sessions WHERE id = ?", (session_id,))
        return row["title"] if row else None

    def get_session_by_title(self, title: str) -> dict[str, Any] | None:
        """The session with exactly this title."""
        return self._one("SELECT * FROM sessions WHERE title = ?", (title,))

    def resolve_session_by_title(self, title: str) -> str | None:
        """The newest session of a lineage (`title #N`), else the one with the title itself."""

        def work(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT id FROM sessions WHERE title LIKE ? ESCAPE '\\'"
                " ORDER BY started_at DESC LIMIT 1",
                (escape_like(title) + " #%",),
            ).fetchone()
            row = (
                row
                or connection.execute(
                    "SELECT id FROM sessions WHERE title = ?", (title,)
                ).fetchone()
            )
            return str(row["id"]) if row else None

        return self._read(work)

    def get_next_title_in_lineage(self, title: str) -> str:
        """The next free title of a lineage. To take it, use `set_next_title_in_lineage`."""
        return self._read(lambda connection: next_free_title(connection, title))

    # -- messages -------------------------------------------------------------------------------

    def append_message(
        self,
        session_id: str,
        role: str,
        content: str | None = None,
        tool_name: str | None = None,
        tool_calls: Any = None,
        tool_call_id: str | None = None,
        token_count: int | None = None,
        finish_reason: str | None = None,
    ) -> int:
        """Insert a message, count it, and return its row id, in one transaction.

        Raises sqlite3.IntegrityError where the session is unknown.
        """
        row = (
            session_id,
            role,
            content,
            tool_call_id,
            json.dumps(tool_calls) if tool_calls else None,
            tool_name,
            time.time(),
            token_count,
            finish_reason,
        )
        calls = len(tool_calls) if isinstance(tool_calls, list) else int(bool(tool_calls))

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO messages (session_id, role, content, tool_call_id, tool_calls,"
                " tool_name, timestamp, token_count, finish_reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            connection.execute(
                "UPDATE sessions SET message_count = message_count + 1,"
                " tool_call_count = tool_call_count + ? WHERE id = ?",
                (calls, session_id),
            )
            return int(cursor.lastrowid or 0)

        return self._write(work)

    def get_messages(self, session_id: str) -> list[dict[str, Any]]:
        """All messages of a session in order, `tool_calls` parsed."""
        return self._read(lambda connection: read_messages(connection, session_id))

    def get_messages_as_conversation(self, session_id: str) -> list[dict[str, Any]]:
        """The messages in the form that a model is given."""
        conversation = []
        for row in self.get_messages(session_id):
            message = {"role": row["role"], "content": row["content"]}
            for key in ("tool_call_id", "tool_name", "tool_calls"):
                if row[key]:
                    message[key] = row[key]
            conversation.append(message)
        return conversation

    def message_count(self, session_id: str | None = None) -> int:
        """How many messages there are, of one session or of all."""
        return self._number(
            "SELECT count(*) FROM messages WHERE ? IS NULL OR session_id = ?",
            (session_id, session_id),
        )

    def clear_messages(self, session_id: str) -> None:
        """Delete the messages of a session and zero its two counters."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM messages WHERE session_id = ?", (session_id,))
            connection.execute(
                "UPDATE sessions SET message_count = 0, tool_call_count = 0 WHERE id = ?",
                (session_id,),
            )

        self._write(work)

    # -- search and export ----------------------------------------------------------------------

    @staticmethod
    def _sanitize_fts5_query(query: str) -> str:
        """See `hermes.state_text.sanitize_fts5_query`."""
        return sanitize_fts5_query(query)

    def search_messages(
        self,
        query: str,
        source_filter: list[str] | None = None,
        role_filter: list[str] | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Full-text search, best first, with `snippet` and the neighbours as `context`.

        A query that is blank or no FTS5 expression finds nothing.
        """
        clean = sanitize_fts5_query(query)
        if not clean:
            return []
        sources, roles = list(source_filter or DEFAULT_SOURCES), list(role_filter or ())
        marks = ", ".join("?" * len(sources))
        by_role = f" AND m.role IN ({', '.join('?' * len(roles))})" if roles else ""

        def work(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            try:
                rows = connection.execute(
                    "SELECT m.id, m.session_id, m.role, m.tool_name, m.timestamp, s.source,"
                    " s.model, s.started_at AS session_started,"
                    " snippet(messages_fts, 0, '>>>', '<<<', '...', 40) AS snippet"
                    " FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid"
                    " JOIN sessions s ON s.id = m.session_id"
                    f" WHERE messages_fts MATCH ? AND s.source IN ({marks}){by_role}"
                    " ORDER BY rank LIMIT ? OFFSET ?",
                    (clean, *sources, *roles, limit, offset),
                ).fetchall()
            except sqlite3.OperationalError:  # What is left of the query is no expression.
                return []
            return [{**dict(row), "context": read_context(connection, row)} for row in rows]

        return self._read(work)

    def export_session(self, session_id: str) -> dict[str, Any] | None:
        """A session with its `messages`, from one snapshot."""
        return self._read(lambda connection: read_export(connection, session_id))

    def export_all(self, source: str | None = None) -> list[dict[str, Any]]:
        """Every session with its messages, from one snapshot, oldest first."""

        def work(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                "SELECT * FROM sessions WHERE ? IS NULL OR source = ? ORDER BY started_at",
                (source, source),
            ).fetchall()
            return [{**dict(row), "messages": read_messages(connection, row["id"])} for row in rows]

        return self._read(work)

    # -- small helpers --------------------------------------------------------------------------

    def _execute(self, sql: str, values: tuple[Any, ...]) -> None:
        self._write(lambda connection: connection.execute(sql, values))

    def _all(self, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        return self._read(lambda c: [dict(row) for row in c.execute(sql, values).fetchall()])

    def _one(self, sql: str, values: tuple[Any, ...]) -> dict[str, Any] | None:
        rows = self._all(sql, values)
        return rows[0] if rows else None

    def _number(self, sql: str, values: tuple[Any, ...]) -> int:
        return self._read(lambda connection: int(connection.execute(sql, values).fetchone()[0]))
