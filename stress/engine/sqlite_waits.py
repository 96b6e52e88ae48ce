"""Who uses which database, and who waits for one: SQLite's locks, with a model of the waiting.

The locks are real: they are those of SQLite, on real files. Only the waiting is ours. For tasks a
connection never waits in C; where SQLite says that the database is busy, and would have waited,
the task waits until another connection lets go, in virtual time.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from stress.engine.context import controlled
from stress.engine.execution import Execution
from stress.engine.locks import operation
from stress.engine.task import Task
from stress.site import Site

#: Whether SQLite calls its busy handler: never; unless the connection already reads (then the
#: other one could wait for it in turn, and it gives up at once); always; as for changing the
#: journal.
NEVER, UNLESS_READING, ALWAYS, JOURNAL = range(4)

_WAIT = operation("wait", "busy database")

REAL_CONNECTION: Any = sqlite3.Connection
REAL_CURSOR: Any = sqlite3.Cursor
_IN_TRANSACTION = REAL_CONNECTION.in_transaction.__get__


class Database:
    """One database: what operations are about, and the gate of who waits for it."""

    __slots__ = ("__weakref__", "waiters")

    owner = None

    def __init__(self) -> None:
        self.waiters: list[int] = []


class ConnectionInUse:
    """The mutex of a connection: a task is inside of it, in C, and others wait for their turn."""

    __slots__ = ("__weakref__", "cursor", "owner", "waiters")

    def __init__(self) -> None:
        self.owner: Task | None = None
        #: The cursor that it uses there: nobody else may use that at all.
        self.cursor: object = None
        self.waiters: list[int] = []


class _Wait(NamedTuple):
    task: Task
    databases: tuple[Database, ...]


class Handle:
    """What the engine knows of one connection."""

    __slots__ = (
        "connection", "cursors", "databases", "execution", "ident", "keys", "maker", "real_ms",
        "syncs", "timeout_s", "use",
    )  # fmt: skip

    def __init__(
        self, connection: Any, key: object, *, timeout_s: float, real_ms: int, ident: int | None
    ) -> None:
        self.connection = weakref.ref(connection)
        self.keys: tuple[object, ...] = (self if key is None else key,)
        #: How long it waits for others, and how long the real connection does.
        self.timeout_s = timeout_s
        self.real_ms = real_ms
        #: The only thread that may use it; None where all may.
        self.ident = ident
        #: The task that made it, where one did.
        self.maker: Task | None = None
        #: Whether a commit still goes to the disk.
        self.syncs = False
        self.cursors: dict[int, Any] = {}
        # What is good for one execution.
        self.execution: Execution | None = None
        self.databases: tuple[Database, ...] = ()
        self.use = ConnectionInUse()

    def check_task(self, task: Task) -> None:
        """Raises ProgrammingError where this task may not use the connection."""
        if self.ident is not None and self.ident != task.ident:
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The "
                f"object was created in thread id {self.ident} and this is thread id {task.ident}."
            )

    def stop_syncing(self) -> None:
        """Nothing has to outlive the machine, and a commit to disk takes longer than all else.

        SQLite refuses that while the database is busy; then it is asked again later.
        """
        try:
            REAL_CURSOR(self.connection()).execute("PRAGMA synchronous=OFF")
            self.syncs = False
        except sqlite3.Error:
            self.syncs = True

    def look_at_attached(self) -> None:
        """Others were attached, or detached."""
        rows = REAL_CURSOR(self.connection()).execute("PRAGMA database_list").fetchall()
        attached = (row[2] for row in rows if row[1] not in ("main", "temp"))
        files = (path.decode() if isinstance(path, bytes) else path for path in attached)
        self.keys = (self.keys[0], *(os.path.realpath(file) for file in files if file))
        if self.execution is not None:
            self.databases = tuple(map(DATABASES.of, self.keys))

    def finish(self) -> None:
        """The execution is over: hold no lock any more, and no file that nobody will use."""
        connection = self.connection()
        maker, self.maker, self.execution = self.maker, None, None
        if connection is None:
            return
        unwound = maker is not None and maker.raised > 0
        for reference in list(self.cursors.values()):
            cursor = reference()
            if cursor is not None:
                # A query that is still going on holds the database; this one is over at once.
                _try(REAL_CURSOR.execute, cursor, "SELECT 0 WHERE 0")
                if unwound:
                    _try(REAL_CURSOR.close, cursor)
        _try(REAL_CONNECTION.rollback, connection)
        if unwound:
            _try(REAL_CONNECTION.close, connection)
        elif self.real_ms:
            _set_busy_timeout(connection, self.real_ms)


class Databases:
    """The databases of the execution that runs. One per process, like `context`."""

    __slots__ = ("_by_key", "_execution", "_used", "waiting")

    def __init__(self) -> None:
        self._execution: Execution | None = None
        self._by_key: dict[object, Database] = {}
        self._used: list[Handle] = []
        self.waiting: list[_Wait] = []

    def of(self, key: object) -> Database:
        """The database with this key."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = Database()
        return found

    def come_in(self, handle: Handle, execution: Execution) -> None:
        """A connection is used for the first time in this execution."""
        if self._execution is not execution:
            self._execution = execution
            execution.opened.append(self._finish)
        handle.execution = execution
        handle.databases = tuple(map(self.of, handle.keys))
        handle.use = ConnectionInUse()
        self._used.append(handle)
        if handle.real_ms:
            _set_busy_timeout(handle.connection(), 0)

    def wait(self, execution: Execution, databases: tuple[Database, ...], limit_s: float) -> bool:
        """Wait until somebody lets one of these databases go; False where time was up first."""
        task = execution.current
        assert task is not None
        gate, waiting = databases[0], _Wait(task, databases)
        gate.waiters.append(task.number)
        self.waiting.append(waiting)
        try:
            return execution.park(_WAIT, gate, limit_s)
        finally:
            self._forget(waiting)

    def _forget(self, waiting: _Wait) -> None:
        if waiting in self.waiting:
            self.waiting.remove(waiting)
        waiters = waiting.databases[0].waiters
        if waiting.task.number in waiters:
            waiters.remove(waiting.task.number)

    def let_go(self, handle: Handle, certainly: bool = True) -> None:
        """This connection may have let its databases go: who waits for one tries again.

        Inside of a transaction it has not.
        """
        if not certainly:
            try:
                connection = handle.connection()
                if connection is not None and _IN_TRANSACTION(connection):
                    return
            except sqlite3.ProgrammingError:
                pass  # It was closed.
        execution = self._execution
        for waiting in list(self.waiting):
            if execution is not None and not set(waiting.databases).isdisjoint(handle.databases):
                self._forget(waiting)
                if waiting.task.blocked is not None:
                    execution.release(waiting.task)

    def _finish(self) -> None:
        for handle in self._used:
            handle.finish()
        self._execution = None
        self._by_key.clear()
        self._used.clear()
        self.waiting.clear()


DATABASES = Databases()


def perform(
    handle: Handle | None,
    site: Site,
    function: Callable[..., Any],
    *args: Any,
    patience: int = NEVER,
    ends: bool = False,
    subject: object = None,
    cursor: Any = None,
) -> Any:
    """One operation on a connection: a point, the real call, and waiting where SQLite would.

    `ends` says that whatever the connection held, it has let go after that.
    """
    mine = controlled()
    if mine is None:
        return function(*args)
    execution, task = mine
    if handle is None:
        # It was made before, or never quite: all that we know is that it is used.
        execution.point(site, subject or (args[0] if args else None))
        return function(*args)
    handle.check_task(task)
    if handle.execution is not execution:
        DATABASES.come_in(handle, execution)
    execution.point(site, handle.databases[0] if subject is None else subject)
    use = handle.use
    if cursor is not None and cursor._stress_locked:
        raise _recursive()
    if use.owner is not None and use.owner is not task:
        _wait_for_turn(execution, task, site, use, cursor)
    before = use.owner, use.cursor
    use.owner, use.cursor = task, cursor
    deadline_s, in_time, busy = -1.0, True, False
    try:
        while True:
            try:
                return function(*args)
            except sqlite3.OperationalError as error:
                busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or not in_time or not _would_wait(handle, execution, patience):
                    raise
            if deadline_s < 0:
                deadline_s = execution.clock_s + handle.timeout_s
            left_s = deadline_s - execution.clock_s
            # After the time is up it tries once more: as SQLite does, which tries all the time.
            in_time = DATABASES.wait(execution, handle.databases, left_s)
            busy = False
            if handle.syncs:
                handle.stop_syncing()
    finally:
        use.owner, use.cursor = before
        if use.waiters:
            _give_turn(execution, handle)
        if DATABASES.waiting and not busy:
            DATABASES.let_go(handle, ends)


def _wait_for_turn(
    execution: Execution, task: Task, site: Site, use: ConnectionInUse, cursor: object
) -> None:
    """Another task is inside of the connection: in a callback of it, or waiting for a database."""
    if cursor is not None and cursor is use.cursor:
        raise _recursive()
    while use.owner is not None:
        use.waiters.append(task.number)
        try:
            execution.park(site, use)
        finally:
            if task.number in use.waiters:
                use.waiters.remove(task.number)


def _recursive() -> sqlite3.ProgrammingError:
    return sqlite3.ProgrammingError("Recursive use of cursors not allowed.")


def _give_turn(execution: Execution, handle: Handle) -> None:
    use = handle.use
    if use.owner is None:
        waiters = list(use.waiters)
        use.waiters.clear()
        for number in waiters:
            task = execution.tasks[number]
            task.pending.object = handle.databases[0]
            execution.release(task)


def _would_wait(handle: Handle, execution: Execution, patience: int) -> bool:
    """Whether SQLite would wait now."""
    if patience == NEVER or execution.aborting or handle.timeout_s <= 0:
        return False
    if patience == ALWAYS:
        return True
    connection = handle.connection()
    if _is_reading(connection):
        return False
    return patience != JOURNAL or _has_only_readers(connection)


class _Asked(Exception):
    """Ends a backup that was none."""


def _is_reading(connection: Any) -> bool:
    """Whether the connection is inside of a transaction that has read or written.

    SQLite does not say so, except that it refuses such a connection as the target of a backup:
    before it touches the target, and before it finds that the source cannot be read now.
    """
    source = REAL_CONNECTION(":memory:", isolation_level=None)
    try:
        source.execute("BEGIN IMMEDIATE")
        source.backup(connection, pages=1, progress=_ask)
    except _Asked:
        return False
    except sqlite3.Error:
        return True
    finally:
        source.close()
    raise AssertionError("a database that is being written cannot be read")


def _ask(*_: int) -> None:
    raise _Asked


def _has_only_readers(connection: Any) -> bool:
    """Whether nobody writes. To change the journal SQLite waits for readers, but not for a writer,
    and for nobody in WAL mode."""
    try:
        cursor = REAL_CURSOR(connection)
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return False
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return True


def _set_busy_timeout(connection: Any, milliseconds: int) -> None:
    _try(REAL_CURSOR(connection).execute, f"PRAGMA busy_timeout={milliseconds}")


def close_quietly(connection: Any) -> None:
    """Close a connection, whatever its state is."""
    _try(REAL_CONNECTION.close, connection)


def _try(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except sqlite3.Error:
        pass  # It is closed, or was never opened.


def key_of(database: Any, uri: bool) -> object:
    """What is equal for connections of the same database; None where nobody else has it."""
    name = os.fsdecode(database)
    if not uri or not name.startswith("file:"):
        return None if name in ("", ":memory:") else os.path.realpath(name)
    parts = urlsplit(name)
    options = {option: values[-1] for option, values in parse_qs(parts.query).items()}
    path = unquote(parts.path)
    in_memory = path == ":memory:" or options.get("mode") == "memory"
    if in_memory or options.get("vfs") == "memdb":
        is_shared = options.get("cache") == "shared" or (
            options.get("vfs") == "memdb" and path.startswith("/")
        )
        return ("memory", path) if is_shared else None
    return os.path.realpath(path) if path else None
