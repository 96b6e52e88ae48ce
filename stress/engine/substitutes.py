"""What stands for the primitives of the standard library while an execution runs.

Names in the modules that the standard library itself is built on are replaced, and put back
exactly. `Thread`, `Condition`, `Queue`, pools and timers then run as they are, on models.
"""

from __future__ import annotations

import _thread
import _threading_local
import concurrent.futures.thread as pools
import queue
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stress.engine.execution import Execution, Task
from stress.engine.locks import Lock, RLock
from stress.engine.outcome import Failure

IDENT = _thread.get_ident


def with_exit(program: Callable[[], object]) -> Callable[[], None]:
    """`program`, and after it what the interpreter does at its exit: pools are told to end."""

    def whole() -> None:
        try:
            program()
        finally:
            if pools._threads_queues:
                pools._python_exit()

    return whole


@dataclass(frozen=True)
class Holder:
    """A name in a module that is bound to a primitive: `name` of `module` is `source.original`."""

    module: Any
    name: str
    source: Any
    original: str


def find_holders() -> tuple[Holder, ...]:
    """Modules that took a primitive by name (`from threading import Lock`) when they were imported.

    To be called while nothing is replaced; good until another module is imported.
    """
    originals = {
        id(getattr(source, original)): (source, original)
        for source, names in _SHARED.items()
        for original in names
        if hasattr(source, original)
    }
    return tuple(
        Holder(module, name, *originals[id(value)])
        for module in list(sys.modules.values())
        if module not in _SHARED and not getattr(module, "__name__", "").startswith("stress.")
        for name, value in list(getattr(module, "__dict__", {}).items())
        if id(value) in originals
    )


#: What other modules may have taken by name.
_SHARED: dict[Any, tuple[str, ...]] = {
    threading: ("local",),
    _thread: ("allocate_lock", "RLock", "get_ident", "start_new_thread"),
    queue: ("SimpleQueue",),
    time: (
        "sleep", "monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns",
    ),
}  # fmt: skip


@contextmanager
def substitutes(execution: Execution, seed: int, holders: Sequence[Holder] = ()) -> Iterator[None]:
    """Put the models in place for the length of the block; randomness follows from `seed`."""
    state = random.getstate()
    replaced = _names(execution)
    values = [
        (module.__dict__, name, value)
        for module, names in replaced.items()
        for name, value in names.items()
        if name in module.__dict__
    ]
    values += [(h.module.__dict__, h.name, replaced[h.source][h.original]) for h in holders]
    before = [(names, name, names[name]) for names, name, _ in values]
    try:
        for names, name, value in values:
            names[name] = value
        random.seed(f"execution/{seed}")
        yield
    finally:
        for names, name, value in before:
            names[name] = value
        random.setstate(state)


def _names(execution: Execution) -> dict[Any, dict[str, Any]]:
    threads = _Threads(execution)
    clock = _Clock(execution)
    low = {
        "allocate_lock": Lock,
        "allocate": Lock,
        "RLock": RLock,
        "get_ident": threads.get_ident,
        "start_new_thread": threads.start_new_thread,
        "start_new": threads.start_new_thread,
    }
    return {
        _thread: low,
        threading: {
            "Lock": Lock,
            "RLock": RLock,
            "local": _threading_local.local,
            "_allocate_lock": Lock,
            "_CRLock": RLock,
            "get_ident": threads.get_ident,
            "_time": clock.monotonic,
            "excepthook": threads.excepthook,
            "_start_new_thread": threads.start_new_thread,
            "_set_sentinel": threads.set_sentinel,
            "_start_joinable_thread": threads.start_joinable_thread,
            "_ThreadHandle": _Handle,
            # Who is there: the threads of this execution do not outlive it.
            "_active": dict(threading._active),  # type: ignore[attr-defined]
            "_limbo": {},
            "_dangling": weakref.WeakSet(threading._dangling),  # type: ignore[attr-defined]
            "_shutdown_locks": set(),
        },
        _threading_local: {"RLock": RLock},
        queue: {"SimpleQueue": queue._PySimpleQueue, "time": clock.monotonic},  # type: ignore[attr-defined]
        pools: {
            # Held across scheduling points, and so never real.
            "_global_shutdown_lock": Lock(),
            "_threads_queues": weakref.WeakKeyDictionary(),
            "_shutdown": False,
        },
        time: clock.names(),
    }


class _Threads:
    """How threads start and who they are."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def get_ident(self) -> int:
        task = self._execution.current
        return task.ident if task is not None else IDENT()

    def start_new_thread(
        self,
        function: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
    ) -> int:
        """`_thread.start_new_thread`; a Thread says itself whether it is a daemon."""
        thread = getattr(function, "__self__", None)
        daemon = bool(getattr(thread, "_daemonic", True))
        return self._start(lambda: function(*args, **(kwargs or {})), thread, daemon).ident

    def start_joinable_thread(
        self, function: Callable[[], object], handle: _Handle, daemon: bool = True
    ) -> _Handle:
        """`_thread.start_joinable_thread` of 3.13."""
        handle.begin(self._start(function, getattr(function, "__self__", None), daemon))
        return handle

    def _start(self, function: Callable[[], object], thread: Any, daemon: bool) -> Task:
        self._execution.point("start")
        task = self._execution.spawn(function, daemon=daemon)
        if isinstance(thread, threading.Thread):
            thread._started = _Started(self._execution)  # type: ignore[attr-defined]
            self._execution.start(task)
        return task

    def set_sentinel(self) -> Lock:
        """`_thread._set_sentinel` up to 3.12: a lock that is released when the thread ends."""
        task = self._execution.running()
        lock = _Sentinel(task)
        task.ending.append(lock.free)
        return lock

    def excepthook(self, arguments: Any) -> None:
        """Keep what left a thread; a thread may end itself with SystemExit."""
        task = self._execution.running()
        if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
            self._execution.failures.append(Failure(task.number, arguments.exc_value))


class _Started:
    """The event of a Thread that its start waits for, without a step of its own."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._execution.begun()

    def wait(self, timeout: float | None = None) -> bool:
        return self._is_set


class _Sentinel(Lock):
    """Held by a thread while it lives. Only waiting for it is a step."""

    __slots__ = ("_task",)

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task: Task | None = task

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._task is not None:
            self.owner, self._task = self._task, None
            return True
        return super().acquire(blocking, timeout)

    def release(self) -> None:
        self.free()

    def locked(self) -> bool:
        return self.owner is not None


class _Handle:
    """`_thread._ThreadHandle` of 3.13."""

    def __init__(self) -> None:
        self.owner: Task | None = None
        self._lock = Lock()
        self._done = False

    @property
    def ident(self) -> int | None:
        return self.owner.ident if self.owner else None

    def begin(self, task: Task) -> None:
        self.owner = self._lock.owner = task
        task.ending.append(self._end)

    def _end(self) -> None:
        self._done = True
        self._lock.free()

    def is_done(self) -> bool:
        return self._done

    def _set_done(self) -> None:
        self._done = True

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the thread, or so many seconds."""
        limit = -1 if timeout is None else max(timeout, 0)
        if not self._done and self._lock.acquire(True, limit):
            self._lock.release()


class _Clock:
    """Time as the execution has it: it moves when nobody is ready, and then at once."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._wall_s = time.time()
        self._monotonic_s = time.monotonic()

    def monotonic(self) -> float:
        return self._monotonic_s + self._execution.clock_s

    def time(self) -> float:
        return self._wall_s + self._execution.clock_s

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._execution.wait("sleep", None, seconds)

    def names(self) -> dict[str, Any]:
        return {
            "sleep": self.sleep,
            "monotonic": self.monotonic,
            "perf_counter": self.monotonic,
            "time": self.time,
            "monotonic_ns": lambda: int(self.monotonic() * 1e9),
            "perf_counter_ns": lambda: int(self.monotonic() * 1e9),
            "time_ns": lambda: int(self.time() * 1e9),
        }
