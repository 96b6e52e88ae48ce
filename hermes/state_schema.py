"""The schema of the session database: tables, full-text index, and migrations from older files."""

from __future__ import annotations

import sqlite3

SCHEMA_VERSION = 4

_TABLES = """
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    user_id TEXT,
    model TEXT,
    model_config TEXT,
    system_prompt TEXT,
    parent_session_id TEXT REFERENCES sessions(id),
    started_at REAL NOT NULL,
    ended_at REAL,
    end_reason TEXT,
    message_count INTEGER DEFAULT 0,
    tool_call_count INTEGER DEFAULT 0,
    input_tokens INTEGER DEFAULT 0,
    output_tokens INTEGER DEFAULT 0,
    title TEXT
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL REFERENCES sessions(id),
    role TEXT NOT NULL,
    content TEXT,
    tool_call_id TEXT,
    tool_calls TEXT,
    tool_name TEXT,
    timestamp REAL NOT NULL,
    token_count INTEGER,
    finish_reason TEXT
);
CREATE INDEX IF NOT EXISTS idx_sessions_source ON sessions(source);
CREATE INDEX IF NOT EXISTS idx_sessions_parent ON sessions(parent_session_id);
CREATE INDEX IF NOT EXISTS idx_sessions_started ON sessions(started_at DESC);
CREATE INDEX IF NOT EXISTS idx_messages_session ON messages(session_id, timestamp);
"""

_TITLE_INDEX = """
CREATE UNIQUE INDEX IF NOT EXISTS idx_sessions_title ON sessions(title) WHERE title IS NOT NULL;
"""

_SEARCH = """
CREATE VIRTUAL TABLE IF NOT EXISTS messages_fts
    USING fts5(content, content=messages, content_rowid=id);
CREATE TRIGGER IF NOT EXISTS messages_fts_insert AFTER INSERT ON messages BEGIN
    INSERT INTO messages_fts(rowid, content) VALUES (new.id, new.content);
END;
CREATE TRIGGER IF NOT EXISTS messages_fts_delete AFTER DELETE ON messages BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content)
        VALUES ('delete', old.id, old.content);
END;
CREATE TRIGGER IF NOT EXISTS messages_fts_update AFTER UPDATE ON messages BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content)
        VALUES ('delete', old.id, old.content);
    INSERT INTO messages_fts(rowid, content) VALUES (new.id, new.content);
END;
"""


def split(script: str) -> list[str]:
    """The statements of a script; `executescript` would commit behind our back."""
    found, pending = [], ""
    for part in script.split(";")[:-1]:
        pending += part + ";"
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    return found


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to SCHEMA_VERSION. The caller holds a write transaction."""
    for statement in split(_TABLES):
        connection.execute(statement)
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = row[0] if row else SCHEMA_VERSION
    if not row:
        connection.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
    columns = {
        table: {info[1] for info in connection.execute(f"PRAGMA table_info({table})")}
        for table in ("messages", "sessions")
    }
    if version < 2 and "finish_reason" not in columns["messages"]:
        connection.execute("ALTER TABLE messages ADD COLUMN finish_reason TEXT")
    if version < 3 and "title" not in columns["sessions"]:
        connection.execute("ALTER TABLE sessions ADD COLUMN title TEXT")
    was_searchable = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'messages_fts'"
    ).fetchone()
    for statement in [*split(_SEARCH), *split(_TITLE_INDEX)]:
        connection.execute(statement)
    if not was_searchable:
        connection.execute("INSERT INTO messages_fts(messages_fts) VALUES ('rebuild')")
    if version < SCHEMA_VERSION:
        connection.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION,))
