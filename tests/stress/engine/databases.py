"""Small programs on SQLite databases: each wrong one beside its repaired twin."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import Iterator

from tests.stress.engine.programs import together


@contextlib.contextmanager
def database(mode: str = "delete") -> Iterator[str]:
    """The path of a new database with one row, 0."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/data.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript("CREATE TABLE t (v INTEGER); INSERT INTO t VALUES (0);")
        connection.close()
        yield path


def value(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT v FROM t").fetchone()
    return int(found)


def opened(path: str, **options: object) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(
        sqlite3.connect(path, isolation_level=None, **options)  # type: ignore[call-overload]
    )


def _increment(path: str, begin: str) -> None:
    with opened(path) as connection:
        if begin:
            connection.execute(begin)
        found = value(connection)
        connection.execute("UPDATE t SET v = ?", (found + 1,))
        if begin:
            connection.execute("COMMIT")


def lost_update() -> None:
    """Reads and writes a row, each in a transaction of its own."""
    with database() as path:
        together(*[lambda: _increment(path, "")] * 2)
        with opened(path) as connection:
            assert value(connection) == 2


def kept_update() -> None:
    with database() as path:
        together(*[lambda: _increment(path, "BEGIN IMMEDIATE")] * 2)
        with opened(path) as connection:
            assert value(connection) == 2


def late_upgrade() -> None:
    """Reads first and wants to write then: no timeout helps against who wrote meanwhile."""
    with database("wal") as path:
        together(*[lambda: _increment(path, "BEGIN")] * 2)


def early_upgrade() -> None:
    with database("wal") as path:
        together(*[lambda: _increment(path, "BEGIN IMMEDIATE")] * 2)
        with opened(path) as connection:
            assert value(connection) == 2


def _transfer(connection: sqlite3.Connection, fail: bool) -> None:
    """Two updates that belong together."""
    connection.execute("UPDATE t SET v = v + 1")
    connection.execute("UPDATE t SET v = v - 1")
    if fail:
        connection.rollback()
    else:
        connection.commit()


def half_transaction(guarded: bool = False) -> None:
    """A connection is shared: who commits publishes what the other is in the middle of."""
    with database() as path:
        connection = sqlite3.connect(path, check_same_thread=False)
        lock = threading.Lock()
        seen: list[int] = []

        def transfer() -> None:
            with lock if guarded else contextlib.nullcontext():
                _transfer(connection, fail=False)

        def look() -> None:
            with lock if guarded else contextlib.nullcontext():
                connection.commit()
            with opened(path) as other:
                seen.append(value(other))

        together(transfer, look)
        connection.close()
        assert seen == [0]


def whole_transaction() -> None:
    half_transaction(guarded=True)


def shared_cursor(own: bool = False) -> None:
    """The rows that one asked for come to another."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    cursor = connection.cursor()

    def ask(what: int) -> None:
        mine = connection.cursor() if own else cursor
        mine.execute("SELECT ?", (what,))
        assert mine.fetchone() == (what,)

    together(lambda: ask(1), lambda: ask(2))
    connection.close()


def own_cursors() -> None:
    shared_cursor(own=True)


class Store:
    """One connection for all threads; `lock` makes each operation one step."""

    def __init__(self, path: str, lock: contextlib.AbstractContextManager[object]) -> None:
        self._lock = lock
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)

    def add(self, much: int) -> None:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("UPDATE t SET v = v + ?", (much,))
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def unlocked_store(lock: contextlib.AbstractContextManager[object] | None = None) -> None:
    """The transaction of one begins inside of that of the other."""
    with database() as path:
        store = Store(path, lock or contextlib.nullcontext())
        together(lambda: store.add(1), lambda: store.add(2))
        store.close()
        with opened(path) as connection:
            assert value(connection) == 3


def locked_store() -> None:
    unlocked_store(threading.Lock())


def foreign_connection(check: bool = True) -> None:
    """A connection belongs to the thread that made it."""
    connection = sqlite3.connect(":memory:", check_same_thread=check)
    lock = threading.Lock()

    def ask() -> None:
        with lock:
            connection.execute("SELECT 1").fetchall()

    try:
        together(ask, ask)
    finally:
        connection.close()


def common_connection() -> None:
    foreign_connection(check=False)


def impatient(timeout: float = 0.0) -> None:
    """Does not wait for a database that is busy for two seconds."""
    with database() as path:

        def write() -> None:
            with opened(path, timeout=timeout) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE t SET v = v + 1")
                connection.execute("COMMIT")

        together(write, write)


def patient() -> None:
    impatient(5.0)


def waits_for_each_other(in_order: bool = False) -> None:
    """One holds the lock and wants the database, the other holds that and wants the lock."""
    with database() as path:
        lock = threading.Lock()

        def first() -> None:
            with lock, opened(path) as connection:
                connection.execute("UPDATE t SET v = v + 1")

        def second() -> None:
            with opened(path) as connection, lock if in_order else contextlib.nullcontext():
                connection.execute("BEGIN IMMEDIATE")
                with contextlib.nullcontext() if in_order else lock:
                    connection.execute("UPDATE t SET v = v + 1")
                connection.execute("COMMIT")

        together(first, second)


def waits_in_order() -> None:
    waits_for_each_other(in_order=True)


def closed_too_early(joined: bool = False) -> None:
    """The connection is closed while others still use it."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    threads = [
        threading.Thread(target=lambda: connection.execute("SELECT 1").fetchall()) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    if not joined:
        connection.close()
    for thread in threads:
        thread.join()
    connection.close()


def closed_at_the_end() -> None:
    closed_too_early(joined=True)


#: What is found in which program.
WRONG = {
    lost_update: "AssertionError",
    late_upgrade: "OperationalError: database is locked",
    half_transaction: "AssertionError",
    shared_cursor: "AssertionError",
    unlocked_store: "OperationalError: cannot start a transaction within a transaction",
    foreign_connection: "ProgrammingError: SQLite objects created in a thread can only be used in",
    impatient: "OperationalError: database is locked",
    waits_for_each_other: "OperationalError: database is locked",
    closed_too_early: "ProgrammingError: Cannot operate on a closed database",
}
RIGHT = (
    kept_update, early_upgrade, whole_transaction, own_cursors, locked_store, common_connection,
    patient, waits_in_order, closed_at_the_end,
)  # fmt: skip
