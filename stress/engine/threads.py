"""Threads of the program: how they start, who they are, and how others wait for their end."""

from __future__ import annotations

import _thread
import itertools
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from stress.engine.context import context, controlled, only_when_controlled, running
from stress.engine.execution import Execution
from stress.engine.locks import Lock, operation
from stress.engine.outcome import Failure
from stress.engine.task import Task

_START, _JOIN, _ALIVE = (
    operation("start", "Thread"),
    operation("join", "Thread"),
    operation("is alive", "Thread"),
)
_IDENT, _REAL_START, _REAL_COUNT = _thread.get_ident, _thread.start_new_thread, _thread._count


def get_ident() -> int:
    """`threading.get_ident`: of the task, the same in every execution."""
    execution = context.execution
    if execution is None or execution.current is None:
        return _IDENT()
    mine = controlled() if context.guarded else (execution, execution.current)
    return _IDENT() if mine is None else mine[1].ident


def count() -> int:
    """`_thread._count`: how many threads there are beside the first."""
    mine = controlled()
    return _REAL_COUNT() if mine is None else sum(task.alive for task in mine[0].tasks[1:])


def start_new_thread(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> int:
    """`_thread.start_new_thread`: as it is there, such a thread keeps nobody waiting."""
    if controlled() is None:
        return _REAL_START(function, args, kwargs or {})
    execution, _ = running()
    execution.point(_START)

    def run() -> None:
        try:
            function(*args, **(kwargs or {}))
        except SystemExit:
            pass

    return execution.spawn(run, daemon=True).ident


def thread_start(self: Any) -> None:
    """`Thread.start`."""
    if not getattr(self, "_initialized", False):
        raise RuntimeError("thread.__init__() not called")
    if self._started._flag:
        raise RuntimeError("threads can only be started once")
    execution, _ = running()
    execution.point(_START, self)
    task = execution.spawn(lambda: _life(execution, self), daemon=bool(self._daemonic))
    task.thread = self
    self._task = task
    self._ident = task.ident
    self._started._flag = True
    threading._active[task.ident] = self  # type: ignore[attr-defined]
    task.ending.append(lambda: _end(self))


def _life(execution: Execution, thread: Any) -> None:
    try:
        thread.run()
    except BaseException as error:
        if execution.aborting or isinstance(error, KeyboardInterrupt):
            raise
        # Through the hook that is in place, so that a program may have one of its own.
        thread._invoke_excepthook(thread)


def _end(thread: Any) -> None:
    threading._active.pop(thread._ident, None)  # type: ignore[attr-defined]
    _mark_ended(thread)


def _mark_ended(thread: Any) -> None:
    """So that the thread is known to be over after the execution, too."""
    if sys.version_info < (3, 13):
        thread._is_stopped = True
        thread._tstate_lock = None
    else:
        thread._handle = SimpleNamespace(
            is_done=lambda: True, join=lambda timeout=None: None, ident=thread._ident,
            _set_done=lambda: None,
        )  # fmt: skip


def thread_join(self: Any, timeout: float | None = None) -> None:
    """`Thread.join`: one step, that comes when the thread is over."""
    if not getattr(self, "_initialized", False):
        raise RuntimeError("Thread.__init__() not called")
    if not self._started._flag:
        raise RuntimeError("cannot join thread before it is started")
    execution, current = running()
    task = self.__dict__.get("_task")
    if task is None or task.execution is not execution:
        if execution.tasks[0].thread is self and current.number != 0:
            task = execution.tasks[0]
        elif self is threading.current_thread():
            raise RuntimeError("cannot join current thread")
        else:
            join_outsider(execution, self, timeout)
            return
    if task is current:
        raise RuntimeError("cannot join current thread")
    limit = None if timeout is None else max(timeout, 0)
    execution.pass_gate(_JOIN, task, not task.alive, limit)


def join_outsider(execution: Execution, thread: Any, timeout: float | None) -> None:
    """Wait for a thread that was started before the execution, and is not under control."""
    if _REAL_IS_ALIVE(thread):
        execution.uncontrolled.setdefault(f"Thread.join of {thread.name!r}, which is no task")
    _REAL_JOIN(thread, timeout)


def thread_is_alive(self: Any) -> bool:
    """`Thread.is_alive`."""
    execution, _ = running()
    execution.point(_ALIVE, self)
    task = self.__dict__.get("_task")
    if task is None or task.execution is not execution:
        return bool(_REAL_IS_ALIVE(self))
    return bool(task.alive)


_REAL_JOIN, _REAL_IS_ALIVE = threading.Thread.join, threading.Thread.is_alive


def replaced_methods() -> list[tuple[type, str, Any]]:
    """Class, name and function of what stands for methods of Thread while tasks run."""
    models = {"start": thread_start, "join": thread_join, "is_alive": thread_is_alive}
    return [
        (threading.Thread, name, only_when_controlled(model, vars(threading.Thread)[name]))
        for name, model in models.items()
    ]


def excepthook(arguments: Any) -> None:
    """`threading.excepthook`: keep what left a thread; SystemExit is no failure."""
    mine = controlled()
    if mine is None:
        threading.__excepthook__(arguments)
    elif arguments.exc_value is not None and arguments.exc_type is not SystemExit:
        mine[0].failures.append(Failure(mine[1].number, arguments.exc_value))


def fresh_names() -> dict[str, Any]:
    """Names of `threading` that an exploration has for itself, and each execution finds new."""
    return {
        "_counter": itertools.count(1).__next__,
        "_limbo": {},
        "_shutdown_locks": set(),
        "_shutdown_handles": set(),
        "_threading_atexits": [],
    }


class Sentinel(Lock):
    """`_thread._set_sentinel` up to 3.12: a lock that is released when its thread ends."""

    __slots__ = ()


def set_sentinel() -> Any:
    """`_thread._set_sentinel`, for who starts threads below `threading`."""
    _, task = running()
    lock = Sentinel()
    lock.take(task)
    task.ending.append(lock.free)
    return lock


#: Where a local keeps what its first thread had before the exploration.
_INITIAL = 4


class Local:
    """`threading.local` for tasks: every task has a `__dict__` of its own."""

    __slots__ = ("__dict__", "__weakref__", "_local")

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Local:
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError("Initialization arguments are not supported")
        self = object.__new__(cls)
        # Whose dictionary is in place, that of each task by its execution and number, and how a
        # task that comes for the first time begins.
        state: dict[Any, dict[str, Any]] = {}
        object.__setattr__(self, "_local", [_owner(), state, args, kwargs, {}])
        state[_owner()] = object.__getattribute__(self, "__dict__")
        return self

    @classmethod
    def shadowing(cls, real: Any) -> Local:
        """A model in which the calling thread finds what the real one has for it."""
        model = cls()
        object.__getattribute__(model, "_local")[_INITIAL].update(real.__dict__)
        return model

    def __getattribute__(self, name: str) -> Any:
        _come_in(self)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__dict__":
            raise AttributeError(
                f"{type(self).__name__!r} object attribute '__dict__' is read-only"
            )
        _come_in(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name == "__dict__":
            raise AttributeError(
                f"{type(self).__name__!r} object attribute '__dict__' is read-only"
            )
        _come_in(self)
        object.__delattr__(self, name)


def _owner() -> object:
    mine = controlled()
    # A task is the key itself: tasks of different executions are different.
    return _IDENT() if mine is None else mine[1]


def _come_in(local: Any) -> None:
    """Put the dictionary of the running task in place."""
    record = object.__getattribute__(local, "_local")
    owner = _owner()
    if record[0] is owner or record[0] == owner:
        return
    place = record[1].get(owner)
    new = place is None
    if new:
        # The first task stands for the thread that explores.
        first = not isinstance(owner, Task) or owner.number == 0
        place = record[1][owner] = dict(record[_INITIAL]) if first else {}
        if isinstance(owner, Task):
            owner.ending.append(lambda: record[1].pop(owner, None))
    object.__setattr__(local, "__dict__", place)
    record[0] = owner
    if new and type(local).__init__ is not object.__init__:
        type(local).__init__(local, *record[2], **record[3])
