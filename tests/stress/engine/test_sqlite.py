"""`sqlite3` under control: what is found, what waits, and what is left behind."""

from __future__ import annotations

import importlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import connect as TAKEN
from typing import Any

import pytest

from stress.exploration import explore, replay
from stress.finding import FindingKind, Verdict
from stress.schedule import Schedule
from tests.stress.engine import databases
from tests.stress.engine.carriers import CARRIERS
from tests.stress.engine.databases import opened, value
from tests.stress.engine.programs import together

pytestmark = pytest.mark.parametrize("carrier", CARRIERS)
Program = Callable[[], None]


def by_name(program: Any) -> str | None:
    return getattr(program, "__name__", None)


# -- what is found --------------------------------------------------------------------------------


@pytest.mark.parametrize(("program", "error"), databases.WRONG.items(), ids=by_name)
def test_what_is_wrong_is_found_and_replayed(program: Program, error: str, carrier: str) -> None:
    exploration = explore(program, executions=500, seed=3, carrier=carrier)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    first = exploration.findings[0]
    assert first.kind is FindingKind.EXCEPTION
    assert error in first.message
    assert "note" not in first.details
    assert first.schedule is not None
    schedule = Schedule.from_json(first.schedule.to_json())
    again = replay(program, schedule, carrier=carrier)
    found = again.findings[0]
    assert (found.message, found.trace) == (first.message, first.trace)


@pytest.mark.parametrize("program", databases.RIGHT, ids=by_name)
def test_what_is_right_is_clean(program: Program, carrier: str) -> None:
    exploration = explore(program, executions=60, seed=7, carrier=carrier)
    assert exploration.findings == ()
    assert exploration.verdict is Verdict.HOLDS, exploration.reason


def executed(program: Program, carrier: str, executions: int = 1) -> None:
    """Execute it, with threads or without; it must not fail."""
    exploration = explore(program, executions=executions, carrier=carrier)
    assert [finding.message for finding in exploration.findings] == []
    assert "not under control" not in exploration.reason


# -- waiting --------------------------------------------------------------------------------------


def test_a_timeout_is_virtual(carrier: str) -> None:
    waited: set[float] = set()

    def program() -> None:
        with databases.database() as path, opened(path) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with opened(path, timeout=30.0) as other:
                began = time.monotonic()
                with pytest.raises(sqlite3.OperationalError, match="database is locked") as raised:
                    other.execute("UPDATE t SET v = 1")
                assert raised.value.sqlite_errorname == "SQLITE_BUSY"
                waited.add(round(time.monotonic() - began, 3))

    began = time.monotonic()
    executed(program, carrier)
    assert waited == {30.0}
    assert time.monotonic() - began < 20


def test_the_timeout_can_be_set_and_asked(carrier: str) -> None:
    def program() -> None:
        with databases.database() as path, opened(path, timeout=0.5) as connection:
            assert connection.execute("PRAGMA busy_timeout").fetchall() == [(500,)]
            assert connection.execute("PRAGMA busy_timeout = 7000").fetchone() == (7000,)
            assert connection.execute("PRAGMA main.busy_timeout").description[0][0] == "timeout"
            connection.executescript("PRAGMA busy_timeout(2000); SELECT 1")
            with opened(path) as holder:
                holder.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                with pytest.raises(sqlite3.OperationalError):
                    connection.execute("BEGIN IMMEDIATE")
                assert time.monotonic() - began == pytest.approx(2.0)

    executed(program, carrier)


#: What lets a database go.
LETS_GO: dict[str, Callable[[sqlite3.Connection], object]] = {
    "commit": lambda connection: connection.commit(),
    "COMMIT": lambda connection: connection.execute("COMMIT"),
    "rollback": lambda connection: connection.rollback(),
    "script": lambda connection: connection.executescript("SELECT 1"),
    "close": lambda connection: connection.close(),
    "with": lambda connection: connection.__exit__(None, None, None),
    "isolation level": lambda connection: setattr(connection, "isolation_level", None),
}


@pytest.mark.parametrize("how", LETS_GO)
def test_who_waits_goes_on_when_the_database_is_let_go(how: str, carrier: str) -> None:
    def program() -> None:
        with databases.database() as path:
            holder = sqlite3.connect(path, isolation_level="IMMEDIATE")
            holder.execute("UPDATE t SET v = 1")

            def write() -> None:
                with opened(path, timeout=10.0) as connection:
                    began = time.monotonic()
                    connection.execute("UPDATE t SET v = 2")
                    assert time.monotonic() - began == pytest.approx(3.0)

            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(3.0)
            LETS_GO[how](holder)
            thread.join()
            holder.close()

    executed(program, carrier)


def test_a_cursor_that_is_dropped_lets_go(carrier: str) -> None:
    def program() -> None:
        with databases.database() as path, opened(path) as reader:
            reader.execute("INSERT INTO t VALUES (5)")
            cursor = reader.execute("SELECT v FROM t")

            def write() -> None:
                with opened(path) as connection:
                    began = time.monotonic()
                    connection.execute("UPDATE t SET v = 2")
                    assert time.monotonic() - began == pytest.approx(1.0)

            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(1.0)
            del cursor
            thread.join()

    executed(program, carrier)


def test_another_database_is_another_gate(carrier: str) -> None:
    def program() -> None:
        with databases.database() as one, databases.database() as two:
            with opened(one) as holder, opened(two) as bystander:
                holder.execute("BEGIN IMMEDIATE")

                def write() -> None:
                    with opened(one, timeout=10.0) as connection:
                        connection.execute(f"ATTACH '{two}' AS other")
                        connection.execute("UPDATE main.t SET v = 2")

                thread = threading.Thread(target=write)
                thread.start()
                time.sleep(1.0)
                bystander.execute("UPDATE t SET v = 1")
                holder.execute("COMMIT")
                thread.join()

    executed(program, carrier, executions=20)


def test_an_upgrade_fails_at_once(carrier: str) -> None:
    """In WAL mode because the snapshot is old, and else because two might wait for each other."""

    def program() -> None:
        for mode, name in [("wal", "SQLITE_BUSY_SNAPSHOT"), ("delete", "SQLITE_BUSY")]:
            with databases.database(mode) as path, opened(path) as one, opened(path) as two:
                one.execute("BEGIN")
                assert value(one) == 0
                two.execute("BEGIN IMMEDIATE")
                if mode == "wal":
                    two.execute("UPDATE t SET v = 1")
                    two.execute("COMMIT")
                began = time.monotonic()
                with pytest.raises(sqlite3.OperationalError) as raised:
                    one.execute("UPDATE t SET v = 2")
                assert raised.value.sqlite_errorname == name
                assert time.monotonic() == began
                one.rollback()

    executed(program, carrier)


def test_a_shared_connection_is_held_by_who_waits_in_it(carrier: str) -> None:
    """As by the mutex of SQLite: another task cannot commit what one is waiting in."""
    order: list[str] = []

    def program() -> None:
        order.clear()
        with databases.database() as path, opened(path) as holder:
            shared = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            cursor = shared.cursor()
            holder.execute("BEGIN IMMEDIATE")

            def write() -> None:
                cursor.execute("UPDATE t SET v = 1")
                order.append("written")

            def look() -> None:
                time.sleep(1.0)
                with pytest.raises(sqlite3.ProgrammingError, match="Recursive use of cursors"):
                    cursor.fetchone()
                shared.execute("SELECT 1").fetchall()
                order.append("looked")

            def let_go() -> None:
                time.sleep(2.0)
                order.append("let go")
                holder.execute("COMMIT")

            holder_thread = [threading.Thread(target=work) for work in (write, look)]
            for thread in holder_thread:
                thread.start()
            let_go()
            for thread in holder_thread:
                thread.join()
            shared.close()

    executed(program, carrier, executions=10)
    assert order[0] == "let go"
    assert sorted(order[1:]) == ["looked", "written"]


def test_a_backup_waits_for_a_writer(carrier: str) -> None:
    def program() -> None:
        with databases.database() as path, opened(path) as source, opened(":memory:") as target:
            begun = threading.Event()

            def write() -> None:
                with opened(path) as connection:
                    connection.execute("BEGIN EXCLUSIVE")
                    connection.execute("UPDATE t SET v = 1")
                    begun.set()
                    time.sleep(1.1)
                    connection.execute("COMMIT")

            writer = threading.Thread(target=write)
            writer.start()
            begun.wait()
            began = time.monotonic()
            seen: list[int] = []
            source.backup(target, progress=lambda *told: seen.append(told[0]))
            assert time.monotonic() - began == pytest.approx(1.1)
            assert seen[-1] == sqlite3.SQLITE_DONE
            assert sqlite3.SQLITE_BUSY in seen
            assert value(target) == 1
            writer.join()

    executed(program, carrier, executions=5)


def test_a_callback_of_sqlite_may_wait(carrier: str) -> None:
    """A task inside of a connection waits for a lock, and others for the connection."""

    def program() -> None:
        shared = sqlite3.connect(":memory:", check_same_thread=False)
        lock = threading.Lock()

        def locked() -> int:
            with lock:
                return 1

        shared.create_function("locked", 0, locked)

        def ask() -> None:
            assert shared.execute("SELECT locked()").fetchone() == (1,)

        together(ask, ask)
        shared.close()

    executed(program, carrier, executions=50)


def test_rows_of_executemany_are_steps(carrier: str) -> None:
    """Others come between them, as between those of a script."""
    seen: set[int] = set()

    def program() -> None:
        with databases.database("wal") as path:

            def write() -> None:
                with opened(path) as connection:
                    rows = connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)])
                    assert rows.rowcount == 3

            def count() -> None:
                with opened(path) as connection:
                    (number,) = connection.execute("SELECT count(*) FROM t").fetchone()
                    seen.add(number)

            together(write, count)

    executed(program, carrier, executions=150)
    assert seen == {1, 2, 3, 4}


# -- whose connection it is -----------------------------------------------------------------------


class Counting(sqlite3.Connection):
    """A class of the program, derived before anything is explored."""

    made = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executed: list[str] = []
        Counting.made += 1

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # type: ignore[override]
        self.executed.append(sql)
        return super().execute(sql, *args)


class Upper(sqlite3.Cursor):
    def fetchone(self) -> Any:
        return tuple(str(item).upper() for item in super().fetchone())


MAKERS: dict[str, Callable[..., sqlite3.Connection]] = {
    "connect": lambda *args, **kwargs: sqlite3.connect(*args, **kwargs),
    "dbapi2": lambda *args, **kwargs: importlib.import_module("sqlite3.dbapi2").connect(
        *args, **kwargs
    ),
    "class": lambda *args, **kwargs: sqlite3.Connection(*args, **kwargs),
    "factory": lambda *args, **kwargs: sqlite3.connect(*args, factory=Counting, **kwargs),
    "own class": lambda *args, **kwargs: Counting(*args, **kwargs),
    "taken": lambda *args, **kwargs: TAKEN(*args, **kwargs),
    "class inside": lambda *args, **kwargs: type("Inside", (sqlite3.Connection,), {})(
        *args, **kwargs
    ),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_by_whatever_means_it_was_made(maker: str, carrier: str) -> None:
    steps: list[int] = []

    def program() -> None:
        with databases.database() as path:
            connection = MAKERS[maker](path, timeout=4.0, isolation_level=None)
            assert isinstance(connection, sqlite3.Connection)
            assert issubclass(type(connection), sqlite3.Connection)
            assert not isinstance(connection, sqlite3.Cursor)
            cursor = connection.cursor()
            assert isinstance(cursor, sqlite3.Cursor)
            assert connection.cursor(Upper).execute("SELECT 'a'").fetchone() == ("A",)
            connection.row_factory = sqlite3.Row
            assert connection.execute("SELECT v FROM t").fetchone()["v"] == 0
            with opened(path) as holder:
                holder.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                with pytest.raises(sqlite3.OperationalError):
                    connection.execute("BEGIN IMMEDIATE")
                steps.append(round(time.monotonic() - began))
            connection.close()

    executed(program, carrier)
    assert set(steps) == {4}


def test_an_import_during_the_execution_is_in_time(carrier: str) -> None:
    """And a program that never imports it does not have it imported."""
    code = f"""
import sys
from stress.engine.session import session
from tests.stress.engine.carriers import CARRIERS
def program():
    import sqlite3
    one = sqlite3.connect("file:x?mode=memory&cache=shared", uri=True)
    assert type(one).__mro__[1].__name__ == "ConnectionMethods", type(one).__mro__
    one.close()
before = list(sys.meta_path)
for body in (lambda: None, program, program):
    assert (body is program) or "sqlite3" not in sys.modules
    with session(CARRIERS[{carrier!r}]) as opened:
        outcome = opened.execute(body, lambda ready, pending, current: ready[0])
        assert outcome.failures == (), outcome.failures
        outcome = opened.execute(body, lambda ready, pending, current: ready[0])
        assert outcome.failures == (), outcome.failures
    assert (body is program) or "sqlite3" not in sys.modules
    assert sys.meta_path == before
import sqlite3, _sqlite3
assert sqlite3.connect is _sqlite3.connect is sqlite3.dbapi2.connect
assert type(sqlite3.connect(":memory:")) is sqlite3.Connection
assert sqlite3.Connection.__mro__ == (sqlite3.Connection, object)
assert type(sqlite3.__spec__.loader).__name__ == "SourceFileLoader"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- what is left behind --------------------------------------------------------------------------


def names() -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{module}.{name}": getattr(importlib.import_module(module), name)
        for module in ("sqlite3", "sqlite3.dbapi2", "_sqlite3")
        for name in ("connect", "Connection", "Cursor")
    }
    for cls in (Counting, Upper):
        found[cls.__name__] = (cls.__bases__, cls.__mro__, sorted(vars(cls)))
    return {**found, "taken": TAKEN}


def test_everything_is_as_it_was(carrier: str) -> None:
    before = names()
    executed(databases.locked_store, carrier, executions=3)
    assert names() == before
    connection = Counting(":memory:")
    assert Upper(connection).execute("SELECT 'a'").fetchone() == ("A",)
    connection.close()
    assert connection.executed == []


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def left_open(path: str) -> Program:
    """A deadlock with a transaction in the middle, and one that ends with an error in one."""

    def program() -> None:
        lock = threading.Lock()
        kept = sqlite3.connect(path)
        kept.execute("UPDATE t SET v = v + 1")

        def work() -> None:
            connection = sqlite3.connect(path, timeout=0.0)
            rows = connection.execute("SELECT v FROM t UNION ALL SELECT 2")
            next(rows)
            with lock, lock:
                connection.execute("SELECT 1")

        together(work)
        raise LookupError

    return program


def test_nothing_leaks(carrier: str) -> None:
    with databases.database() as path:
        program = left_open(path)
        explore(program, executions=5, stop_on_first=False, carrier=carrier)
        before = descriptors()
        explored = explore(program, executions=300, stop_on_first=False, carrier=carrier)
        assert {f.kind for f in explored.findings} == {FindingKind.DEADLOCK}
        assert descriptors() <= before
        with opened(path, timeout=0) as connection:
            assert value(connection) == 0
            connection.execute("BEGIN EXCLUSIVE")


def test_a_connection_that_outlives_an_execution(carrier: str) -> None:
    """As of a cache in a module: it serves the next execution too, and is real in the end."""
    cache: list[sqlite3.Connection] = []
    with databases.database() as path:

        def program() -> None:
            if not cache:
                cache.append(sqlite3.connect(path, timeout=2.5))
            assert cache[0].execute("PRAGMA busy_timeout").fetchone() == (2500,)
            cache[0].execute("UPDATE t SET v = v + 1")

        executed(program, carrier, executions=3)
        (connection,) = cache
        assert isinstance(connection, sqlite3.Connection)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (2500,)
        assert not connection.in_transaction
        assert value(connection) == 0
        connection.close()
