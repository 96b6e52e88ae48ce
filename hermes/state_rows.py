"""Statements of the session database that several methods need; the caller holds a transaction."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from hermes.state_text import base_title, escape_like, next_title

CONTEXT_LENGTH = 200


def set_title(connection: sqlite3.Connection, session_id: str, title: str | None) -> bool:
    """Set or clear a title. Raises ValueError where another session holds it."""
    if title is not None:
        holder = connection.execute(
            "SELECT id FROM sessions WHERE title = ? AND id != ?", (title, session_id)
        ).fetchone()
        if holder:
            raise ValueError(f"the title {title!r} is held by session {holder['id']}")
    done = connection.execute("UPDATE sessions SET title = ? WHERE id = ?", (title, session_id))
    return done.rowcount > 0


def next_free_title(connection: sqlite3.Connection, title: str) -> str:
    """The next free title of the lineage that `title` belongs to."""
    base = base_title(title)
    rows = connection.execute(
        "SELECT title FROM sessions WHERE title = ? OR title LIKE ? ESCAPE '\\'",
        (base, escape_like(base) + " #%"),
    ).fetchall()
    return next_title(base, [row["title"] for row in rows])


def read_messages(connection: sqlite3.Connection, session_id: str) -> list[dict[str, Any]]:
    """All messages of a session in order, `tool_calls` parsed."""
    rows = connection.execute(
        "SELECT * FROM messages WHERE session_id = ? ORDER BY timestamp, id", (session_id,)
    ).fetchall()
    messages = [dict(row) for row in rows]
    for message in messages:
        message["tool_calls"] = json.loads(message["tool_calls"]) if message["tool_calls"] else None
    return messages


def read_export(connection: sqlite3.Connection, session_id: str) -> dict[str, Any] | None:
    """A session with its messages."""
    row = connection.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return {**dict(row), "messages": read_messages(connection, session_id)} if row else None


def read_context(connection: sqlite3.Connection, hit: sqlite3.Row) -> list[dict[str, Any]]:
    """The messages around a hit, in its session."""
    rows = connection.execute(
        "SELECT role, substr(content, 1, ?) AS content FROM messages"
        " WHERE session_id = ? AND id BETWEEN ? AND ? ORDER BY id",
        (CONTEXT_LENGTH, hit["session_id"], hit["id"] - 1, hit["id"] + 1),
    ).fetchall()
    return [dict(row) for row in rows]
