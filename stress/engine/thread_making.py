"""`Thread.__init__` for tasks: the same attributes, a third of the time.

The standard library makes an event with a condition and two locks, a weak reference and a closure
for each thread. Of those a task needs a flag.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stress.engine import handles
from stress.engine.context import controlled, stands_for

_REAL_INIT: Any = threading.Thread.__init__


class Started:
    """The event `Thread._started`. A start is one step, so that nobody ever waits for it."""

    __slots__ = ("_flag",)

    def __init__(self) -> None:
        self._flag = False

    def is_set(self) -> bool:
        """Whether the thread was started."""
        return self._flag

    def set(self) -> None:
        """It is."""
        self._flag = True

    def clear(self) -> None:
        """It is not any more: nobody but a test does that."""
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """What `Thread.start` of the standard library calls."""
        return self._flag

    def _at_fork_reinit(self) -> None:
        """What the standard library calls after a fork."""


def make_thread_init(number: Callable[[], int]) -> Callable[..., None]:
    """`Thread.__init__`; `number` gives what a thread is known by in sets."""

    @stands_for(_REAL_INIT)
    def thread_init(
        self: Any,
        group: None = None,
        target: Any = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        if controlled() is None:
            _REAL_INIT(self, group, target, name, args, kwargs, daemon=daemon)
            return
        assert group is None, "group argument must be None for now"
        names = threading.__dict__
        if name:
            name = str(name)
        else:
            name = names["_newname"]("Thread-%d")
            if hasattr(target, "__name__"):
                name = f"{name} ({target.__name__})"
        self._target = target
        self._name = name
        self._args = args
        self._kwargs = {} if kwargs is None else kwargs
        self._daemonic = names["current_thread"]().daemon if daemon is None else daemon
        self._ident = self._native_id = None
        self._started = Started()
        if sys.version_info < (3, 13):
            self._tstate_lock, self._is_stopped = None, False
        else:
            self._handle = handles.ThreadHandle()
        self._initialized = True
        self._stderr = sys.stderr
        self._invoke_excepthook = names["_make_invoke_excepthook"]()
        if "_made" not in self.__dict__:
            self._made = number()

    return thread_init
