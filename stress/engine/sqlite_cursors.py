"""Cursors of `sqlite3` that tasks use; see `sqlite_models`."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from stress.engine.context import controlled
from stress.engine.sqlite_statements import site_of, split, statement_of, without_transaction
from stress.engine.sqlite_waits import (
    ALWAYS,
    DATABASES,
    REAL_CURSOR,
    UNLESS_READING,
    Handle,
    perform,
)

_FETCH, _CLOSE = site_of("fetch", "Cursor"), site_of("close", "Cursor")
_SCRIPT, _UNKNOWN = site_of("execute script", "Cursor"), site_of("execute", "")
#: `sqlite3.LEGACY_TRANSACTION_CONTROL`, which came with 3.12.
_LEGACY = -1
_ROWCOUNT = REAL_CURSOR.rowcount.__get__
_NOTHING: Any = object()


class Kind(type):
    """The class of what stands in the place of a real class: real objects are of it, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = vars(cls).get("_real")
        return super().__instancecheck__(instance) if real is None else isinstance(instance, real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("_real")
        return super().__subclasscheck__(subclass) if real is None else issubclass(subclass, real)


def _handle(cursor: Any) -> Handle | None:
    try:
        return cursor.connection._stress_handle  # type: ignore[no-any-return]
    except AttributeError:
        return None


class CursorMethods(REAL_CURSOR):  # type: ignore[misc]
    """The methods of a cursor."""

    __slots__ = ()
    #: Whether it asks for the parameters of its next row: nobody may use it meanwhile.
    _stress_locked = False
    #: What `executemany` counted; None where the real cursor knows better.
    _stress_rows: int | None = None

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        self._stress_locked = False
        self._stress_rows = None
        super().__init__(*args, **kwargs)
        handle = _handle(self)
        if handle is not None:
            handle.cursors[id(self)] = weakref.ref(self)

    def execute(self: Any, *args: Any) -> Any:
        """As the real one does; it waits for a busy database."""
        handle = _handle(self)
        self._stress_rows = None
        if handle is None or controlled() is None or not args or type(args[0]) is not str:
            return perform(handle, _UNKNOWN, REAL_CURSOR.execute, self, *args)
        statement = statement_of(args[0])
        if statement.is_timeout:
            args = (_set_timeout(handle, statement.timeout_ms), *args[1:])
        perform(
            handle,
            statement.site,
            REAL_CURSOR.execute,
            self,
            *args,
            patience=statement.patience,
            ends=statement.ends,
            cursor=self,
        )
        if statement.attaches:
            handle.look_at_attached()
        return self

    def executemany(self: Any, *args: Any) -> Any:
        """As the real one does: a step for each row, with the others in between."""
        handle = _handle(self)
        if handle is None or controlled() is None or len(args) != 2 or type(args[0]) is not str:
            return perform(handle, _UNKNOWN, REAL_CURSOR.executemany, self, *args)
        statement = statement_of(args[0])
        self._stress_rows, count = None, None
        parameters = iter(args[1])
        row = self._draw(parameters)
        rows: tuple[Any, ...] = () if row is _NOTHING else (row,)
        while True:
            perform(
                handle,
                statement.site,
                REAL_CURSOR.executemany,
                self,
                args[0],
                rows,
                patience=UNLESS_READING,
                cursor=self,
            )
            made = _ROWCOUNT(self)
            count = made if count is None or made < 0 else count + made
            row = self._draw(parameters)
            if row is _NOTHING:
                break
            rows = (row,)
        self._stress_rows = count
        return self

    def _draw(self: Any, parameters: Any) -> Any:
        self._stress_locked = True
        try:
            return next(parameters, _NOTHING)
        finally:
            self._stress_locked = False

    def executescript(self, *args: Any) -> Any:
        """As the real one does: a step for each statement, with the others in between."""
        handle = _handle(self)
        if handle is None or controlled() is None or len(args) != 1 or type(args[0]) is not str:
            return perform(handle, _SCRIPT, REAL_CURSOR.executescript, self, *args)
        # Before all it commits, also where there is nothing to do.
        perform(handle, _SCRIPT, REAL_CURSOR.executescript, self, "", patience=ALWAYS, ends=True)
        connection = self.connection
        is_legacy = getattr(connection, "autocommit", _LEGACY) == _LEGACY
        cursor = REAL_CURSOR(connection)
        for sql in split(args[0]):
            statement = statement_of(sql)
            if statement.is_timeout:
                _set_timeout(handle, statement.timeout_ms)
                continue
            perform(
                handle,
                statement.site,
                _run,
                cursor,
                without_transaction(sql) if is_legacy else sql,
                patience=statement.patience,
                ends=statement.ends,
            )
            if statement.attaches:
                handle.look_at_attached()
        return self

    def _fetch(self, call: Any, *args: Any) -> Any:
        return perform(_handle(self), _FETCH, call, self, *args, cursor=self)

    def fetchone(self) -> Any:
        """As the real one does."""
        return self._fetch(REAL_CURSOR.fetchone)

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        """As the real one does."""
        return self._fetch(functools.partial(REAL_CURSOR.fetchmany, **kwargs), *args)

    def fetchall(self) -> Any:
        """As the real one does, in one step."""
        return self._fetch(REAL_CURSOR.fetchall)

    def __next__(self) -> Any:
        return self._fetch(REAL_CURSOR.__next__)

    def close(self) -> None:
        """As the real one does."""
        perform(_handle(self), _CLOSE, REAL_CURSOR.close, self, cursor=self)

    @property
    def rowcount(self) -> int:
        """As of the real one."""
        count = getattr(self, "_stress_rows", None)
        return _ROWCOUNT(self) if count is None else count  # type: ignore[no-any-return]

    def __del__(self) -> None:
        handle = _handle(self)
        if handle is not None:
            handle.cursors.pop(id(self), None)
            if DATABASES.waiting:
                # Nobody goes on before the cursor is gone, and with it its hold on the database.
                DATABASES.let_go(handle, False)


class Cursor(CursorMethods, metaclass=Kind):
    """`sqlite3.Cursor`."""

    __slots__ = ("_stress_locked", "_stress_rows")
    __module__ = "sqlite3"
    _real = REAL_CURSOR


def _set_timeout(handle: Handle, milliseconds: int | None) -> str:
    """What stands for `PRAGMA busy_timeout`: the real one stays 0."""
    if milliseconds is not None:
        handle.timeout_s = milliseconds / 1000
        handle.real_ms = milliseconds
    return f"SELECT {round(handle.timeout_s * 1000)} AS timeout"


def _run(cursor: Any, sql: str) -> None:
    """Execute to the end."""
    REAL_CURSOR.execute(cursor, sql)
    REAL_CURSOR.fetchall(cursor)
