"""Locks and queues that enter in a log who takes them and who frees them, and are real inside."""

from __future__ import annotations

import _queue
import _thread
from typing import Any

from stress.engine.locks import operation
from stress.observe.log import Log

NEW_LOCK, NEW_RLOCK, NEW_QUEUE = _thread.allocate_lock, _thread.RLock, _queue.SimpleQueue


_ACQUIRE, _RELEASE = operation("acquire", "Lock"), operation("release", "Lock")
_ACQUIRE_FIRST, _RELEASE_LAST = operation("acquire", "RLock"), operation("release", "RLock")
PUT, GET = operation("put", "SimpleQueue"), operation("get", "SimpleQueue")
WAIT = operation("wait", "Condition")


class ObservedLock:
    """A lock of the interpreter, looked on at."""

    __slots__ = ("__weakref__", "_log", "_real")

    def __init__(self, log: Log, real: Any = None) -> None:
        self._log = log
        self._real = NEW_LOCK() if real is None else real

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        taken = bool(self._real.acquire(blocking, timeout))
        if taken:
            self._log.synchronize(_ACQUIRE, self)
        return taken

    __enter__ = acquire

    def release(self) -> None:
        """As the real one does."""
        self._log.synchronize(_RELEASE, self)
        self._real.release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __repr__(self) -> str:
        return repr(self._real)


class ObservedRLock:
    """A re-entrant lock, looked on at: when it is taken first, and freed at last."""

    __slots__ = ("__weakref__", "_depth", "_log", "_real")

    def __init__(self, log: Log, real: Any = None) -> None:
        self._log = log
        self._real: Any = NEW_RLOCK() if real is None else real
        # Of the owner, who alone changes it.
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        taken = bool(self._real.acquire(blocking, timeout))
        if taken:
            self._depth += 1
            if self._depth == 1:
                self._log.synchronize(_ACQUIRE_FIRST, self)
        return taken

    __enter__ = acquire

    def release(self) -> None:
        """As the real one does."""
        if self._real._is_owned():
            self._depth -= 1
            if not self._depth:
                self._log.synchronize(_RELEASE_LAST, self)
        self._real.release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    # What conditions ask of it.

    def _release_save(self) -> Any:
        depth, self._depth = self._depth, 0
        self._log.synchronize(_RELEASE_LAST, self)
        return depth, self._real._release_save()

    def _acquire_restore(self, state: Any) -> None:
        depth, real = state
        self._real._acquire_restore(real)
        self._depth = depth
        self._log.synchronize(_ACQUIRE_FIRST, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __repr__(self) -> str:
        return repr(self._real)


class ObservedQueue:
    """A `queue.SimpleQueue`, looked on at."""

    __slots__ = ("__weakref__", "_log", "_real")

    def __init__(self, log: Log, real: Any = None) -> None:
        self._log = log
        self._real = NEW_QUEUE() if real is None else real

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As the real one does."""
        self._log.synchronize(PUT, self)
        self._real.put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As the real one does."""
        item = self._real.get(block, timeout)
        self._log.synchronize(GET, self)
        return item

    def put_nowait(self, item: Any) -> None:
        """As the real one does."""
        self.put(item, False)

    def get_nowait(self) -> Any:
        """As the real one does."""
        return self.get(False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
