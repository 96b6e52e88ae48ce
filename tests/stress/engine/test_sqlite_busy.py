"""When SQLite waits for a busy database, and when it gives up at once.

What is expected here was measured on SQLite itself, with its own waiting.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence

import pytest

from stress.engine.session import session
from stress.exploration import explore, replay
from stress.finding import FindingKind
from tests.stress.engine import databases
from tests.stress.engine.carriers import CARRIERS
from tests.stress.engine.databases import opened
from tests.stress.engine.programs import together

TIMEOUT_S = 3.0
WAITS, AT_ONCE, DONE = "waits", "at once", "done"
READS = ("BEGIN", "SELECT v FROM t")
WRITES = ("BEGIN IMMEDIATE",)
INSERT = "INSERT INTO t VALUES (1)"

#: Journal of the database, what another connection has done, what this one has, and what it is
#: about to do.
CASES = [
    ("delete", WRITES, (), INSERT, WAITS),
    ("delete", WRITES, ("BEGIN",), INSERT, WAITS),
    ("delete", WRITES, READS, INSERT, AT_ONCE),
    ("delete", WRITES, (), "BEGIN IMMEDIATE", WAITS),
    ("delete", WRITES, (), "BEGIN EXCLUSIVE", WAITS),
    ("delete", WRITES, (), "SELECT v FROM t", DONE),
    ("delete", WRITES, (), "PRAGMA journal_mode=wal", AT_ONCE),
    ("delete", ("BEGIN EXCLUSIVE",), (), "SELECT v FROM t", WAITS),
    ("delete", ("BEGIN EXCLUSIVE",), ("BEGIN",), "SELECT v FROM t", WAITS),
    ("delete", READS, (), "PRAGMA journal_mode=wal", WAITS),
    ("delete", READS, (), "BEGIN EXCLUSIVE", WAITS),
    ("delete", READS, (), INSERT, WAITS),
    ("delete", READS, ("BEGIN IMMEDIATE", INSERT), "COMMIT", WAITS),
    ("delete", READS, ("SAVEPOINT s", INSERT), "RELEASE s", WAITS),
    ("wal", WRITES, (), INSERT, WAITS),
    ("wal", WRITES, ("BEGIN",), INSERT, WAITS),
    ("wal", WRITES, READS, INSERT, AT_ONCE),
    ("wal", WRITES, (), "BEGIN IMMEDIATE", WAITS),
    ("wal", WRITES, (), "SELECT v FROM t", DONE),
    ("wal", WRITES, (), "PRAGMA journal_mode=delete", AT_ONCE),
    ("wal", READS, (), "PRAGMA journal_mode=delete", AT_ONCE),
    ("wal", READS, (), "BEGIN EXCLUSIVE", DONE),
    ("wal", READS, (), INSERT, DONE),
    ("wal", READS, ("BEGIN IMMEDIATE", INSERT), "COMMIT", DONE),
]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(("journal", "other", "before", "statement", "expected"), CASES)
def test_whether_it_waits(
    journal: str,
    other: Sequence[str],
    before: Sequence[str],
    statement: str,
    expected: str,
    carrier: str,
) -> None:
    found: list[str] = []

    def program() -> None:
        with databases.database(journal) as path:
            with opened(path) as holder, opened(path, timeout=TIMEOUT_S) as connection:
                holder.execute("INSERT INTO t VALUES (7)")
                for sql in before:
                    connection.execute(sql).fetchone()
                cursors = [holder.execute(sql) for sql in other]
                began = time.monotonic()
                try:
                    connection.execute(statement)
                except sqlite3.OperationalError:
                    waited = time.monotonic() - began
                    assert waited in (0.0, pytest.approx(TIMEOUT_S))
                    found.append(WAITS if waited else AT_ONCE)
                else:
                    found.append(DONE)
                del cursors

    with session(CARRIERS[carrier]) as session_:
        outcome = session_.execute(program, lambda ready, pending, current: ready[0])
    assert outcome.failures == ()
    assert found == [expected]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_connection_and_a_lock_in_a_cycle(carrier: str) -> None:
    """A function that SQLite calls wants a lock, whose holder wants the connection."""

    def program() -> None:
        lock = threading.Lock()
        connection = sqlite3.connect(":memory:", check_same_thread=False)

        def locked() -> int:
            with lock:
                return 1

        def ask() -> None:
            with lock:
                connection.execute("SELECT 1").fetchone()

        connection.create_function("locked", 0, locked)
        together(lambda: connection.execute("SELECT locked()").fetchone(), ask)
        connection.close()

    exploration = explore(program, carrier=carrier)
    (finding,) = exploration.findings
    assert finding.kind is FindingKind.DEADLOCK
    assert finding.details["cycle"] == [1, 2]
    assert "waits to execute ConnectionInUse" in finding.message
    assert finding.schedule is not None
    assert replay(program, finding.schedule, carrier=carrier).findings[0].message == finding.message
