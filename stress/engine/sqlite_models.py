"""Connections, cursors and blobs of `sqlite3` that tasks use: real ones, on real databases, each
of whose calls is a scheduling point.

They are of subclasses of the real classes, so that they do everything these do; in C nothing waits
any more, see `sqlite_waits`. Where no task calls, they are the real thing.

There are two classes of each. `ConnectionMethods` has the methods and the layout of the real
class, so that classes which a program has derived from that can have it as their base for a while;
`Connection` stands in the place of the real one.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.sqlite_cursors import Cursor, CursorMethods, Kind
from stress.engine.sqlite_statements import site_of
from stress.engine.sqlite_waits import (
    ALWAYS,
    DATABASES,
    REAL_CONNECTION,
    REAL_CURSOR,
    UNLESS_READING,
    Handle,
    close_quietly,
    key_of,
    perform,
)
from stress.engine.threads import get_ident

_REAL_CONNECT: Any = sqlite3.connect
_REAL_BLOB: Any = sqlite3.Blob
_PARAMETERS = (
    "database", "timeout", "detect_types", "isolation_level", "check_same_thread", "factory",
    "cached_statements", "uri",
)  # fmt: skip
_CONNECT, _COMMIT = site_of("connect", "Connection"), site_of("commit", "Connection")
_ROLLBACK, _CLOSE = site_of("rollback", "Connection"), site_of("close", "Connection")
_BACKUP, _BLOB = site_of("backup", "Connection"), site_of("open", "Blob")
_LEVEL = site_of("set isolation level", "Connection")
_AUTOCOMMIT = site_of("set autocommit", "Connection")
#: Where a backup sleeps and tries again.
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _handle(of: Any) -> Handle | None:
    """What is known of a connection; None where it is not one of ours, or not made yet."""
    return getattr(of, "_stress_handle", None)


class ConnectionMethods(REAL_CONNECTION):  # type: ignore[misc]
    """The methods of a connection."""

    __slots__ = ()

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}
        timeout, check = given.get("timeout", 5.0), given.get("check_same_thread", True)
        mine = controlled()
        if not isinstance(timeout, int | float) or "database" not in given:
            REAL_CONNECTION.__init__(self, *args, **kwargs)  # It complains.
            return
        key = key_of(given["database"], bool(given.get("uri", False)))
        handle = Handle(
            self,
            key,
            timeout_s=int(timeout * 1000) / 1000,
            real_ms=int(timeout * 1000) if mine is None else 0,
            ident=get_ident() if check else None,
        )
        if mine is None:
            REAL_CONNECTION.__init__(self, *args, **kwargs)
            self._stress_handle = handle
            return
        handle.maker = mine[1]
        args, kwargs = _with(args, kwargs, "timeout", 0.0)
        # The threads below are those of a carrier: it is tasks that are told apart.
        args, kwargs = _with(args, kwargs, "check_same_thread", False)
        call = functools.partial(REAL_CONNECTION.__init__, self, *args, **kwargs)
        self._stress_handle = handle
        perform(handle, _CONNECT, call)
        handle.real_ms = int(timeout * 1000)
        handle.stop_syncing()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """As the real one does. No scheduling point: nothing of the connection changes."""
        mine, handle = controlled(), _handle(self)
        if mine is None or handle is None:
            return super().cursor(*args, **kwargs)
        handle.check_task(mine[1])
        if not args and not kwargs:
            return super().cursor(Cursor)
        if args:
            args = (_model_for(args[0], Cursor), *args[1:])
        elif "factory" in kwargs:
            kwargs = {**kwargs, "factory": _model_for(kwargs["factory"], Cursor)}
        return super().cursor(*args, **kwargs)

    def execute(self, *args: Any) -> Any:
        """A new cursor's `execute`; so are the next two."""
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        """As the real one does."""
        return self.cursor().executemany(*args)

    def executescript(self, *args: Any) -> Any:
        """As the real one does."""
        return self.cursor().executescript(*args)

    def commit(self) -> None:
        """As the real one does; it waits for those who still read."""
        perform(_handle(self), _COMMIT, REAL_CONNECTION.commit, self, patience=ALWAYS, ends=True)

    def rollback(self) -> None:
        """As the real one does."""
        perform(_handle(self), _ROLLBACK, REAL_CONNECTION.rollback, self, ends=True)

    def close(self) -> None:
        """As the real one does."""
        perform(_handle(self), _CLOSE, REAL_CONNECTION.close, self, ends=True)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        if controlled() is None:
            return super().__exit__(kind, error, traceback)
        if kind is not None:
            ConnectionMethods.rollback(self)
            return False
        try:
            ConnectionMethods.commit(self)
        except sqlite3.Error:
            # So that the database is free, as the real one does.
            ConnectionMethods.rollback(self)
            raise
        return False

    def backup(self, target: Any, **kwargs: Any) -> None:
        """As the real one does; while either database is busy others go on, and it begins anew."""
        mine, handle = controlled(), _handle(self)
        if mine is None or handle is None:
            super().backup(target, **kwargs)
            return
        told, pause_s = kwargs.get("progress"), kwargs.get("sleep", 0.250)
        if told is not None and not callable(told):
            super().backup(target, **kwargs)  # It complains.
            return

        def progress(status: int, remaining: int, total: int) -> None:
            if told is not None:
                told(status, remaining, total)
            if status in _BUSY:
                raise _Later

        call = functools.partial(super().backup, target, **{**kwargs, "progress": progress})
        other = _handle(target)
        while True:
            try:
                perform(handle, _BACKUP, call)
            except _Later:
                databases = handle.databases + (other.databases if other is not None else ())
                DATABASES.wait(mine[0], databases, pause_s)
            else:
                break
        if other is not None:
            DATABASES.let_go(other)

    def blobopen(self, *args: Any, **kwargs: Any) -> Any:
        """As the real one does."""
        handle = _handle(self)
        if controlled() is None or handle is None:
            return super().blobopen(*args, **kwargs)
        call = functools.partial(super().blobopen, *args, **kwargs)
        return Blob(perform(handle, _BLOB, call, patience=UNLESS_READING), handle)

    @property
    def isolation_level(self) -> Any:
        """As of the real one: where it is set to None, that commits."""
        return REAL_CONNECTION.isolation_level.__get__(self)

    @isolation_level.setter
    def isolation_level(self, value: Any) -> None:
        call = functools.partial(REAL_CONNECTION.isolation_level.__set__, self)
        perform(_handle(self), _LEVEL, call, value, patience=ALWAYS, ends=True)

    def __del__(self) -> None:
        handle, execution = _handle(self), context.execution
        if handle is not None and (execution is None or execution.aborting):
            # Not the program's doing: it was unwound, or the execution is over.
            close_quietly(self)
        if handle is not None and DATABASES.waiting:
            DATABASES.let_go(handle)
        warn = getattr(REAL_CONNECTION, "__del__", None)
        if warn is not None:
            warn(self)


class Connection(ConnectionMethods, metaclass=Kind):
    """`sqlite3.Connection`."""

    __slots__ = ("__weakref__", "_stress_handle")
    __module__ = "sqlite3"
    _real = REAL_CONNECTION


class _Later(Exception):
    """A database is busy: the backup begins anew."""


class Blob:
    """`sqlite3.Blob`, which nothing can be derived from: one that hands on to it."""

    __slots__ = ("_blob", "_handle")

    def __init__(self, blob: Any, handle: Handle) -> None:
        self._blob = blob
        self._handle = handle

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _REAL_BLOB

    #: Items, but no iteration: as of the real one.
    __iter__ = None

    def __enter__(self) -> Any:
        self._blob.__enter__()
        return self

    def __del__(self) -> None:
        if DATABASES.waiting:
            DATABASES.let_go(self._handle, False)


def connect(*args: Any, **kwargs: Any) -> Any:
    """`sqlite3.connect`."""
    if controlled() is None:
        return _REAL_CONNECT(*args, **kwargs)
    place = _PARAMETERS.index("factory")
    given = args[place] if len(args) > place else kwargs.get("factory", REAL_CONNECTION)
    args, kwargs = _with(args, kwargs, "factory", _model_for(given, Connection))
    return _REAL_CONNECT(*args, **kwargs)


functools.update_wrapper(connect, _REAL_CONNECT)


def _with(
    args: tuple[Any, ...], kwargs: dict[str, Any], name: str, value: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of `connect` with another value for this one, in the place where it stands."""
    place = _PARAMETERS.index(name)
    if len(args) > place:
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, {**kwargs, name: value}


def _model_for(factory: Any, model: Any) -> Any:
    """What makes objects that are under control, in the place of the real class."""
    return model if factory is model._real else factory


def _operating(real: Any, kind: str, of: str, **how: Any) -> Callable[..., Any]:
    """A method that is one operation, about what `how` says or about the connection itself."""
    site = site_of(kind, of)

    @functools.wraps(real)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = functools.partial(real, **kwargs) if kwargs else real
        return perform(_handle(self), site, call, self, *args, **({"subject": self} | how))

    return method


def _of_blob(name: str) -> Callable[..., Any]:
    """A method of a blob: about its database, and at its end it may let go."""
    site = site_of(name.strip("_"), "Blob")

    def method(self: Any, *args: Any) -> Any:
        return perform(self._handle, site, getattr(_REAL_BLOB, name), self._blob, *args)

    return method


def _complete(methods: Iterable[str], **how: Any) -> None:
    for name in methods:
        real = vars(REAL_CONNECTION).get(name)
        if real is not None:  # Some came with 3.12, some are built in or not.
            kind = name.replace("_", " ")
            setattr(ConnectionMethods, name, _operating(real, kind, "Connection", **how))


_complete((
    "create_function", "create_aggregate", "create_window_function", "create_collation",
    "set_authorizer", "set_progress_handler", "set_trace_callback", "enable_load_extension",
    "load_extension", "setlimit", "getlimit", "setconfig", "getconfig", "interrupt",
))  # fmt: skip


def _set_autocommit(self: Any, value: Any) -> None:
    call = functools.partial(REAL_CONNECTION.autocommit.__set__, self)
    perform(_handle(self), _AUTOCOMMIT, call, value, patience=ALWAYS, ends=True)


if hasattr(REAL_CONNECTION, "autocommit"):
    # Where it is set, transactions are committed and opened.
    _get = REAL_CONNECTION.autocommit.__get__
    setattr(ConnectionMethods, "autocommit", property(_get, _set_autocommit))  # noqa: B010
_complete(("serialize", "deserialize"), subject=None, patience=UNLESS_READING)
for _name in (
    "read", "write", "seek", "tell", "close", "__len__", "__getitem__", "__setitem__",
    "__delitem__", "__exit__",
):  # fmt: skip
    setattr(Blob, _name, _of_blob(_name))

#: The methods that objects of the program's own classes get, by the real class.
BASES: dict[Any, Any] = {REAL_CONNECTION: ConnectionMethods, REAL_CURSOR: CursorMethods}
