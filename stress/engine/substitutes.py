"""What stands for the primitives of the standard library while a program is explored.

Names in the modules that the standard library itself is built on are replaced, once for a whole
exploration, and put back exactly. `Queue`, `Barrier`, pools and timers then run as they are, on
models. Whatever stands there hands on to the real thing where no task calls.
"""

from __future__ import annotations

import _thread
import concurrent.futures.thread as pools
import functools
import logging
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from stress.engine import conditions, handles, sqlite, threads
from stress.engine.active import Active
from stress.engine.cached_properties import CachedProperties
from stress.engine.clock import Clock
from stress.engine.context import context, only_when_controlled
from stress.engine.identities import Counter, Identities
from stress.engine.locks import Lock, RLock, SimpleQueue
from stress.engine.randomness import Randomness
from stress.engine.recursion import RecursionRoom
from stress.engine.task import Aborted
from stress.engine.tracing import Tracing

#: What other modules may have taken by name.
_SHARED: dict[Any, tuple[str, ...]] = {
    threading: ("local",),
    # A lock is made by a function up to Python 3.12, and by its class since then.
    _thread: ("allocate_lock", "lock", "RLock", "get_ident", "get_native_id", "start_new_thread"),
    queue: ("SimpleQueue",),
    time: (
        "sleep", "monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns",
    ),
}  # fmt: skip


class Surroundings:
    """The replaced process around the executions of one exploration."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._randomness = Randomness()
        self._identities = Identities()
        self._thread_numbers, self._pool_numbers = Counter(1), Counter(0)
        self._trace, self._profile = Tracing("trace"), Tracing("profile")
        self._active = Active(threading._active)  # type: ignore[attr-defined]
        self._recursion = RecursionRoom()
        self._cached = CachedProperties()
        self._hooks = threading._trace_hook, threading._profile_hook  # type: ignore[attr-defined]
        self._undo: list[Callable[[], None]] = []
        self._shared = {**_SHARED, **sqlite.shared_names()}
        self._replaced = self._names()
        #: Functions and classes that others may have, and what stands for them.
        self._taken = [
            (getattr(source, name), self._replaced[source][name])
            for source, names in self._shared.items()
            for name in names
            if hasattr(source, name)
        ]
        #: The same, by identity.
        self.taken = {id(real): stand_in for real, stand_in in self._taken}

    def enter(self, wrappers: Sequence[tuple[Any, str, Any]]) -> None:
        """Put everything in place. `wrappers`: more of it, as owner, name and what stands there."""
        # Looked for while nothing is replaced.
        lazy = self._randomness.lazy()
        holders = context.holders.find([*self._taken, *lazy])
        ours = {id(vars(module)) for module in self._shared}
        for module, names in self._replaced.items():
            for name, value in names.items():
                if name in module.__dict__:
                    self._set_name(module.__dict__, name, value)
        drawn = {id(stand_in) for _, stand_in in lazy}
        for holder, name, value in holders:
            if id(value) not in drawn and id(holder) not in ours:
                self._set_name(holder, name, value)
        methods = (*conditions.replaced_methods(), *threads.replaced_methods())
        for cls, name, function in (*methods, *self._cached.replaced_methods()):
            self._set_method(cls, name, function)
        self._set_method(pools.ThreadPoolExecutor, "_counter", self._pool_numbers)
        for owner, name, function in (*wrappers, *self._identities.replaced()):
            if name not in self._replaced.get(owner, ()):
                self._set_attribute(owner, name, function)
        self._quieten()
        self._undo.append(self._randomness.enter([h for h in holders if id(h[2]) in drawn]))
        self._undo.append(sqlite.enter())
        self._undo.append(self._recursion.enter())

    def _quieten(self) -> None:
        """What comes up because a task is unwound is nobody's news."""
        logger = logging.getLogger("concurrent.futures")
        logger.addFilter(_is_news)
        self._undo.append(lambda: logger.removeFilter(_is_news))
        enabled = only_when_controlled(_is_enabled_for, logging.Logger.isEnabledFor)
        self._set_method(logging.Logger, "isEnabledFor", enabled)

    def _names(self) -> dict[Any, dict[str, Any]]:
        """What stands for which names of which modules, as far as these have them."""
        time_names = self._clock.names()
        return {
            _thread: _low_names(),
            threading: {
                "Lock": Lock,
                "RLock": RLock,
                "local": threads.Local,
                "_allocate_lock": Lock,
                "_CRLock": RLock,
                "get_ident": threads.get_ident,
                "get_native_id": threads.get_native_id,
                "_start_new_thread": handles.start_new_thread,
                "_start_joinable_thread": handles.start_joinable_thread,
                "_set_sentinel": threads.set_sentinel,
                "_time": time_names["monotonic"],
                "excepthook": threads.excepthook,
                "_active": self._active,
                "_thread_local_info": threads.Local(),
                "_shutdown_locks_lock": Lock(),
                "_counter": self._thread_numbers,
                # A program may leave them set.
                "_trace_hook": self._hooks[0],
                "_profile_hook": self._hooks[1],
                **threads.fresh_names(),
            },
            queue: {"SimpleQueue": SimpleQueue, "time": time_names["monotonic"]},
            pools: {
                # Held across scheduling points.
                "_global_shutdown_lock": Lock.shadowing(pools._global_shutdown_lock),
                "_threads_queues": weakref.WeakKeyDictionary(),
                "_shutdown": False,
            },
            time: time_names,
            sys: {
                "unraisablehook": handles.Unraisable(sys.unraisablehook),
                **self._recursion.names(),
                **self._trace.names(),
                **self._profile.names(),
            },
            **sqlite.replaced_names(),
        }

    def leave(self) -> None:
        """Put everything back."""
        self._active.give_back()
        self._cached.leave()
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def with_exit(self, program: Callable[[], object]) -> Callable[[], None]:
        """`program`, and after it what the interpreter does at its exit: pools are told to end."""
        names, atexits = threading.__dict__, threading.__dict__["_threading_atexits"]

        def whole() -> None:
            try:
                program()
            finally:
                names["_SHUTTING_DOWN"] = True
                for call in reversed(atexits):
                    call()
                if pools._threads_queues.data:  # type: ignore[attr-defined]
                    pools._python_exit()

        return whole

    def begin(self, seed: int) -> None:
        """Before each execution: names, numbers and randomness begin as ever."""
        names = threading.__dict__
        self._thread_numbers.value, self._pool_numbers.value = 1, 0
        names["_limbo"].clear()
        self._active.forget_tasks()
        names["_threading_atexits"].clear()
        names["_SHUTTING_DOWN"] = False
        names["_trace_hook"], names["_profile_hook"] = self._hooks
        if pools._shutdown or _open_pools():
            pools._shutdown = False
            pools._threads_queues = weakref.WeakKeyDictionary()
        self._randomness.begin(seed)
        self._identities.begin()

    def _set_name(self, names: dict[str, Any], name: str, value: Any) -> None:
        self._undo.append(functools.partial(names.__setitem__, name, names[name]))
        names[name] = value

    def _set_attribute(self, owner: Any, name: str, value: Any) -> None:
        if name in vars(owner):
            self._undo.append(functools.partial(setattr, owner, name, vars(owner)[name]))
        else:
            self._undo.append(functools.partial(delattr, owner, name))
        setattr(owner, name, value)

    def _set_method(self, cls: type, name: str, function: Any) -> None:
        self._undo.append(functools.partial(setattr, cls, name, vars(cls)[name]))
        setattr(cls, name, function)


def _low_names() -> dict[str, Any]:
    """What stands for the names of `_thread`."""
    return {
        "allocate_lock": Lock,
        "allocate": Lock,
        "lock": Lock,
        "RLock": RLock,
        "_local": threads.Local,
        "_count": handles.count,
        "get_ident": threads.get_ident,
        "get_native_id": threads.get_native_id,
        "start_new_thread": handles.start_new_thread,
        "start_new": handles.start_new_thread,
        "start_joinable_thread": handles.start_joinable_thread,
        "_ThreadHandle": handles.ThreadHandle,
        "_set_sentinel": threads.set_sentinel,
    }


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and record.exc_info[0] is Aborted)


def _is_enabled_for(logger: logging.Logger, level: int) -> bool:
    """`Logger.isEnabledFor` without its cache, which takes a lock when it is filled: the first
    execution that logs something would have steps that no later one has."""
    below = logger.manager.disable
    return not logger.disabled and level > below and level >= logger.getEffectiveLevel()


def _open_pools() -> bool:
    """Whether any pool has threads. Its length is dear: it looks after the dead first."""
    return bool(pools._threads_queues.data)  # type: ignore[attr-defined]
