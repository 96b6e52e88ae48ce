"""Real locks that no model stands for: they lie in a tuple, say, where nothing can be replaced.

Instrumented code says before it takes one or lets one go. Then the task waits here, in the model,
for as long as the lock is held, so that the call itself never waits.
"""

from __future__ import annotations

import _thread
from typing import Any

from stress.engine.locks import operation
from stress.engine.task import Task

LOCKS = (type(_thread.allocate_lock()), _thread.RLock)
_ACQUIRE, _RELEASE = operation("acquire", "Lock"), operation("release", "Lock")
_TAKING = frozenset({"acquire", "__enter__", "acquire_lock"})
_LETTING_GO = frozenset({"release", "__exit__", "release_lock"})


class _Shadow:
    """Who holds a real lock, as far as instrumented code says."""

    __slots__ = ("count", "of", "owner", "waiters")

    is_gate_of = True

    def __init__(self, real: Any) -> None:
        self.of = real
        #: None also where it was taken unseen: `count` says whether it is held.
        self.owner: Task | None = None
        self.count = 0
        self.waiters: list[int] = []


def _is_locked(real: Any) -> bool:
    # A real RLock does not say it otherwise.
    return bool(real.locked()) if hasattr(real, "locked") else repr(real).startswith("<locked")


class Unshadowed:
    """The real locks that were seen, by identity."""

    def __init__(self) -> None:
        self._shadows: dict[int, _Shadow] = {}
        self._execution: Any = None

    def before(self, execution: Any, real: Any, method: str, blocking: Any) -> None:
        """A task is about to call this method of a real lock."""
        if self._execution is not execution:
            self._execution = execution
            self._shadows.clear()
        shadow = self._shadows.get(id(real))
        if shadow is None:
            # From now on every call is looked at. Up to now a task may have taken it alone, unseen.
            execution.careful = True
            execution.settle()
            shadow = self._shadows[id(real)] = _Shadow(real)
            if method in _TAKING and _is_locked(real):
                shadow.count = 1
        if method in _TAKING:
            self._take(execution, shadow, blocking)
        elif method in _LETTING_GO:
            execution.point(_RELEASE, real)
            shadow.count -= 1
            if shadow.count <= 0:
                shadow.owner, shadow.count = None, 0
                execution.open(shadow)

    def _take(self, execution: Any, shadow: _Shadow, blocking: Any) -> None:
        task = execution.current
        if blocking is False:
            execution.point(_ACQUIRE, shadow.of)
            # Whether it succeeds is not known here.
            name = f"{type(shadow.of).__name__}.acquire(False) on a lock that cannot be replaced"
            execution.uncontrolled.setdefault(name)
            return
        again = type(shadow.of) is _thread.RLock and shadow.owner is task
        if not again:
            execution.pass_gate(_ACQUIRE, shadow, not shadow.count)
            shadow.owner = task
            if shadow.waiters:
                execution.shut(shadow)
        shadow.count += 1
