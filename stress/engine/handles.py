"""Threads that are started below `threading`, with `_thread` alone."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable, Mapping
from types import MethodType, SimpleNamespace
from typing import Any

from stress.engine.context import context, controlled, running
from stress.engine.execution import Execution
from stress.engine.locks import check_limit, operation
from stress.engine.task import Aborted, Task

START, JOIN = operation("start", "Thread"), operation("join", "Thread")
_REAL_START, _REAL_COUNT = _thread.start_new_thread, _thread._count
_REAL_START_JOINABLE: Any = getattr(_thread, "start_joinable_thread", None)
_REAL_HANDLE: Any = getattr(_thread, "_ThreadHandle", None)


def count() -> int:
    """`_thread._count`: how many threads there are beside the first."""
    mine = controlled()
    return _REAL_COUNT() if mine is None else sum(task.alive for task in mine[0].tasks[1:])


def start_new_thread(
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    /,
) -> int:
    """`_thread.start_new_thread`: as it is there, such a thread keeps nobody waiting."""
    if controlled() is None:
        return _REAL_START(function, args, {} if kwargs is None else kwargs)
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError("optional 3rd arg must be a dictionary")
    return _spawn(function, args, kwargs or {}, daemon=True).ident


def _spawn(
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    daemon: bool,
) -> Task:
    execution, _ = running()
    execution.point(START)

    # What a thread was given is let go when it is over, whoever still holds its job.
    given = [(function, args, kwargs)]
    return execution.spawn(lambda: _life(execution, *given.pop()), daemon=daemon)


def _life(
    execution: Execution,
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    try:
        function(*args, **kwargs)
    except SystemExit:
        pass
    except BaseException as error:
        hook = sys.unraisablehook
        if isinstance(hook, Unraisable) or execution.aborting:
            raise
        # The program has a hook of its own: such an exception is not unheard of to it.
        hook(_as_unraisable(error, function))


def _as_unraisable(error: BaseException, function: object) -> Any:
    told = "Exception ignored in thread started by"
    since_3_13 = sys.version_info >= (3, 13)
    return SimpleNamespace(
        exc_type=type(error),
        exc_value=error,
        exc_traceback=error.__traceback__,
        err_msg=f"{told} {function!r}" if since_3_13 else told,
        object=None if since_3_13 else function,
    )


class Unraisable:
    """What stands for the `sys.unraisablehook` that was there before; it hands on to it.

    A program that puts another in place wants to hear itself of what leaves its threads. What
    comes up because a task is unwound is nobody's news.
    """

    def __init__(self, real: Callable[[Any], object]) -> None:
        self._real = real

    def __call__(self, arguments: Any, /) -> None:
        kind, execution = arguments.exc_type, context.execution
        # What a task that is unwound leaves open was not left open by the program.
        left = kind is ResourceWarning and execution is not None and execution.aborting
        if kind is not Aborted and not left:
            self._real(arguments)


class ThreadHandle:
    """`_thread._ThreadHandle` of 3.13 and later."""

    __slots__ = ("__weakref__", "_done", "_task", "ident")

    def __new__(cls) -> Any:
        return object.__new__(cls) if controlled() is not None else _REAL_HANDLE()

    def __init__(self) -> None:
        self._task: Task | None = None
        self._done = False
        self.ident = 0

    def begin(self, task: Task) -> None:
        """This is the handle of that task."""
        self._task, self.ident = task, task.ident

    @property
    def begun(self) -> bool:
        """Whether its thread was started."""
        return self._task is not None

    def is_done(self) -> bool:
        """Whether its thread is over."""
        return self._done or (self._task is not None and not self._task.alive)

    def join(self, timeout: float | None = None, /) -> None:
        """Wait until its thread is over."""
        if self._task is None:
            raise RuntimeError("thread not started")
        if self.is_done() or controlled() is None:
            return
        join_task(self._task, timeout, "Cannot join current thread")

    def _set_done(self) -> None:
        if self._task is None:
            raise RuntimeError("thread not started")
        self._done = True


def join_task(task: Task, timeout: float | None, complaint: str) -> None:
    """Wait until a task is over: one step, that comes when it is."""
    execution, current = running()
    if task is current:
        raise RuntimeError(complaint)
    if timeout is not None:
        check_limit(timeout)
        timeout = None if timeout < 0 else timeout
    execution.pass_gate(JOIN, task, not task.alive, timeout)


def start_joinable_thread(
    function: Callable[[], object], handle: Any = None, daemon: bool = True
) -> Any:
    """`_thread.start_joinable_thread` of 3.13 and later."""
    if controlled() is None:
        return _REAL_START_JOINABLE(function, handle, daemon)
    if not callable(function):
        raise TypeError("thread function must be callable")
    owner: Any = function.__self__ if isinstance(function, MethodType) else None
    if type(handle) is _REAL_HANDLE and isinstance(owner, threading.Thread):
        # A thread of `threading` has a handle from the start, which only now becomes one of ours.
        handle = owner.__dict__["_handle"] = ThreadHandle()
    elif handle is None:
        handle = ThreadHandle()
    elif type(handle) is not ThreadHandle:
        raise TypeError("'handle' must be a _ThreadHandle")
    elif handle.begun:
        raise RuntimeError("thread already started")
    handle.begin(_spawn(function, (), {}, daemon=daemon))
    return handle


def task_of(execution: Execution, thread: Any) -> Task | None:
    """The task that a `threading.Thread` is in this execution; None where it is none."""
    task = thread.__dict__.get("_task")
    if task is not None:
        tasks, number = execution.tasks, task.number
        return task if number < len(tasks) and tasks[number] is task else None
    ident = thread._ident
    if ident is None:
        return None
    first = execution.tasks[0]
    if ident == first.ident:
        return first
    # Its `start` was not the ordinary one, or it has none (`_DummyThread`).
    return next((task for task in execution.tasks if task.ident == ident), None)
