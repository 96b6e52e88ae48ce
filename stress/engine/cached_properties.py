"""`functools.cached_property` up to Python 3.11 has a lock, and holds it while the function runs.

All instances of a class share that lock, whoever wrote the class; a task that is preempted inside
would keep it, where nobody sees it. So it comes under control when it is first asked for.
"""

from __future__ import annotations

import _thread
import functools
from collections.abc import Callable
from typing import Any

from stress.engine.context import controlled
from stress.engine.locks import RLock

_REAL: Any = functools.cached_property
_RLOCK = _thread.RLock


class CachedProperties:
    """Those of which the lock has a model, for the length of one exploration."""

    def __init__(self) -> None:
        self._locks: list[tuple[Any, Any]] = []

    def replaced_methods(self) -> list[tuple[type, str, Callable[..., Any]]]:
        """Class, name, and what stands there; nothing since Python 3.12."""
        if not hasattr(_REAL(len), "lock"):
            return []
        get = _REAL.__get__

        @functools.wraps(get)
        def got(self_: Any, instance: Any, owner: Any = None) -> Any:
            if instance is not None and type(self_.lock) is _RLOCK and controlled():
                self._locks.append((self_, self_.lock))
                self_.lock = RLock.shadowing(self_.lock)
            return get(self_, instance, owner)

        return [(_REAL, "__get__", got)]

    def leave(self) -> None:
        """Put the real locks back."""
        for one, lock in self._locks:
            one.lock = lock
        self._locks.clear()
