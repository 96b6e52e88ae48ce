"""Threads of the program: how they start, who they are, and how others wait for their end."""

from __future__ import annotations

import _thread
import sys
import threading
import weakref
from functools import partial
from typing import Any

from stress.engine import handles
from stress.engine.context import context, controlled, stands_for
from stress.engine.execution import Execution
from stress.engine.locks import Lock, operation
from stress.engine.outcome import Failure
from stress.engine.task import Task

_ALIVE = operation("is alive", "Thread")
_IDENT, _NATIVE_ID = _thread.get_ident, _thread.get_native_id
_REAL_START = threading.Thread.start
_REAL_JOIN, _REAL_IS_ALIVE = threading.Thread.join, threading.Thread.is_alive
#: Above whatever number Linux gives to a thread.
_FIRST_NATIVE_ID = 1 << 22


def get_ident() -> int:
    """`threading.get_ident`: of the task, the same in every execution."""
    if context.execution is None:
        return _IDENT()
    mine = controlled()
    return _IDENT() if mine is None else mine[1].ident


def get_native_id() -> int:
    """`threading.get_native_id`: of the task; the first has that of the process."""
    mine = controlled()
    return _NATIVE_ID() if mine is None else _native_id(mine[1])


def _native_id(task: Task) -> int:
    return _FIRST_NATIVE_ID + task.number if task.number else _NATIVE_ID()


@stands_for(threading.Thread.start)
def thread_start(self: Any) -> None:
    mine = controlled()
    if mine is None:
        _REAL_START(self)
        return
    if not self._initialized:
        raise RuntimeError("thread.__init__() not called")
    if self._started._flag:
        raise RuntimeError("threads can only be started once")
    if vars(threading)[_STARTER] is not _MODEL_STARTER:
        # The program has put its own there, and wants it called. Then there is a wait, too.
        self._started = threading.Event()
        _REAL_START(self)
        return
    execution, _ = mine
    execution.point(handles.START, self)
    if _HAS_HANDLES and self._started._flag:
        # Another task was faster. Up to 3.12 such a thread runs twice.
        raise RuntimeError("thread already started")
    task = execution.spawn(partial(_life, execution, self), daemon=self._daemonic)
    adopt(task, self)


def adopt(task: Task, thread: Any) -> None:
    """Make this the thread of a task, until it ends."""
    task.thread = thread
    thread._task = task
    thread._ident = task.ident
    thread._native_id = _native_id(task)
    thread._started._flag = True
    if _HAS_HANDLES:
        thread._handle.begin(task)
    threading._active[task.ident] = thread  # type: ignore[attr-defined]
    task.ending.append(partial(_end, task, thread))


def _life(execution: Execution, thread: Any) -> None:
    try:
        names = threading.__dict__
        if names["_trace_hook"]:
            sys.settrace(names["_trace_hook"])
        if names["_profile_hook"]:
            sys.setprofile(names["_profile_hook"])
        thread.run()
    except BaseException as error:
        if execution.aborting or isinstance(error, KeyboardInterrupt):
            raise
        # Through the hook that is in place, so that a program may have one of its own.
        thread._invoke_excepthook(thread)


def _end(task: Task, thread: Any) -> None:
    task.thread = None
    threading._active.pop(thread._ident, None)  # type: ignore[attr-defined]
    if not _HAS_HANDLES:
        # So that the thread is known to be over after the execution, too.
        thread._is_stopped = True
        thread._tstate_lock = None


@stands_for(threading.Thread.join)
def thread_join(self: Any, timeout: float | None = None) -> None:
    # One step, that comes when the thread is over.
    mine = controlled()
    if mine is None:
        _REAL_JOIN(self, timeout)
        return
    if not self._initialized:
        raise RuntimeError("Thread.__init__() not called")
    if not self._started._flag:
        raise RuntimeError("cannot join thread before it is started")
    execution, _ = mine
    task = handles.task_of(execution, self)
    if task is not None:
        limit = None if timeout is None else max(timeout, 0)
        handles.join_task(task, limit, "cannot join current thread")
    elif self is threading.current_thread():
        raise RuntimeError("cannot join current thread")
    else:
        join_outsider(execution, self, timeout)


def join_outsider(execution: Execution, thread: Any, timeout: float | None) -> None:
    """Wait for a thread that was started before the execution, and is not under control."""
    if _REAL_IS_ALIVE(thread):
        execution.uncontrolled.setdefault(f"Thread.join of {thread.name!r}, which is no task")
    _REAL_JOIN(thread, timeout)


@stands_for(threading.Thread.is_alive)
def thread_is_alive(self: Any) -> bool:
    mine = controlled()
    if mine is None:
        return bool(_REAL_IS_ALIVE(self))
    assert self._initialized, "Thread.__init__() not called"
    execution, _ = mine
    execution.point(_ALIVE, self)
    task = handles.task_of(execution, self)
    return bool(_REAL_IS_ALIVE(self) if task is None else task.alive)


_HAS_HANDLES = sys.version_info >= (3, 13)
#: What `Thread.start` calls, and what stands there while a program is explored.
_STARTER, _MODEL_STARTER = (
    ("_start_joinable_thread", handles.start_joinable_thread)
    if _HAS_HANDLES
    else ("_start_new_thread", handles.start_new_thread)
)


def replaced_methods() -> list[tuple[type, str, Any]]:
    """Class, name and function of what stands for methods of Thread while tasks run."""
    models = {
        "start": thread_start,
        "join": thread_join,
        "is_alive": thread_is_alive,
    }
    return [(threading.Thread, name, model) for name, model in models.items()]


def excepthook(arguments: Any) -> None:
    """`threading.excepthook`: keep what left a thread; SystemExit is no failure."""
    mine = controlled()
    if mine is None:
        threading.__excepthook__(arguments)
    elif arguments.exc_value is not None and arguments.exc_type is not SystemExit:
        mine[0].failures.append(Failure(mine[1].number, arguments.exc_value))


def fresh_names() -> dict[str, Any]:
    """Names of `threading` that an exploration has for itself, and each execution finds new."""
    invoke = vars(threading)["_make_invoke_excepthook"]()
    return {
        # It looks for the hook when it is called: one does for all threads.
        "_make_invoke_excepthook": lambda: invoke,
        "_limbo": {},
        "_shutdown_locks": set(),
        "_shutdown_handles": set(),
        "_threading_atexits": [],
        "_SHUTTING_DOWN": False,
    }


class Sentinel(Lock):
    """`_thread._set_sentinel` up to 3.12: a lock that is released when its thread ends."""

    __slots__ = ()

    def end(self) -> None:
        """Its thread is over."""
        if self.owner is not None:
            self.free()


def set_sentinel() -> Any:
    """`_thread._set_sentinel`, for who starts threads below `threading`."""
    mine = controlled()
    if mine is None:
        return _REAL_SENTINEL()
    lock = Sentinel()
    mine[1].ending.append(lock.end)
    return lock


_REAL_SENTINEL: Any = getattr(_thread, "_set_sentinel", None)


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
        owner = _owner()
        object.__setattr__(self, "_local", [owner, state, args, kwargs, {}])
        state[owner] = object.__getattribute__(self, "__dict__")
        if isinstance(owner, Task):
            owner.ending.append(_Forgetting(self, owner))
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
            owner.ending.append(_Forgetting(local, owner))
    object.__setattr__(local, "__dict__", place)
    record[0] = owner
    if new and type(local).__init__ is not object.__init__:
        _initialize(local, record, owner, place)


def _initialize(local: Any, record: list[Any], owner: object, place: dict[str, Any]) -> None:
    """Let the class of a local fill the dictionary of a task, in which others may come."""
    try:
        type(local).__init__(local, *record[2], **record[3])
    except BaseException:
        # As if it had never come: the next access begins anew.
        record[1].pop(owner, None)
        record[0] = None
        raise
    if record[0] is not owner and record[0] != owner:
        object.__setattr__(local, "__dict__", place)
        record[0] = owner


class _Forgetting:
    """Lets go what a task kept in a local, when the task ends. Does not keep the local alive."""

    __slots__ = ("_local", "_owner")

    def __init__(self, local: Any, owner: Task) -> None:
        self._local, self._owner = weakref.ref(local), owner

    def __call__(self) -> None:
        local = self._local()
        if local is None:
            return
        record = object.__getattribute__(local, "_local")
        if record[0] is self._owner:
            object.__setattr__(local, "__dict__", {})
            record[0] = None
        record[1].pop(self._owner, None)
