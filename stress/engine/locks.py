"""Lock, RLock and SimpleQueue as models: who holds, who waits; no lock of the system below.

A lock that was made before the exploration lives on behind its model, and is only touched where
the model says that the call succeeds. Outside of an execution, and for threads that are not under
control, a model is as good as the real lock: it hands every call on to one.
"""

from __future__ import annotations

import _queue
import _thread
import sys
import warnings
from _thread import TIMEOUT_MAX
from collections import deque
from queue import Empty
from types import GenericAlias
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.task import Task
from stress.site import Site


def operation(kind: str, name: str) -> Site:
    """The site of an operation on a model: the recorder finds out where it was called."""
    return Site(kind, name, "", "", "", 0, 0)


#: Modules that may have a lock of their own kind.
_OURS = "stress.engine."
_ACQUIRE, _RELEASE = operation("acquire", "Lock"), operation("release", "Lock")
_LOCKED = operation("locked", "Lock")
_ACQUIRE_AGAIN = operation("acquire", "RLock")
_RELEASE_LAST = operation("release", "RLock")
_NEW_LOCK, _NEW_RLOCK, _NEW_QUEUE = _thread.allocate_lock, _thread.RLock, _queue.SimpleQueue


class Lock:
    """`threading.Lock`: any task may release it."""

    __slots__ = ("__weakref__", "execution", "owner", "real", "waiters")

    is_lock_model = True
    _real_name = "_thread.lock"

    def __init__(self) -> None:
        self.owner: Task | None = None
        self.waiters: list[int] = []
        self.real: Any = None
        #: Whose state this is: that of an earlier execution counts for nothing.
        self.execution: Any = None

    def __init_subclass__(cls) -> None:
        if not cls.__module__.startswith(_OURS):
            raise TypeError("type '_thread.lock' is not an acceptable base type")

    @classmethod
    def shadowing(cls, real: Any) -> Any:
        """A model of a lock that is there already."""
        model = cls()
        model.real = real
        return model

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {self._real_name!r} object")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        execution = context.execution
        if execution is None or execution.current is None or context.guarded:
            mine = controlled()
            if mine is None:
                return bool(self._outside().acquire(blocking, timeout))
            execution = mine[0]
        if self.execution is not execution:
            self._renew(execution)
        if blocking is not True or timeout != -1:
            check_timeout(blocking, timeout)
            if not blocking or timeout == 0:
                return self._try(execution)
            limit = None if timeout == -1 else timeout
            if not execution.pass_gate(_ACQUIRE, self, self.owner is None, limit):
                return False
        elif self.owner is None:
            if execution.several:
                execution.pass_gate(_ACQUIRE, self, True)
            else:
                execution.point(_ACQUIRE, self)
        else:
            execution.pass_gate(_ACQUIRE, self, False)
        self.owner = execution.current
        if self.waiters:
            execution.shut(self)
        if self.real is not None:
            take_real(execution, self)
        return True

    __enter__ = acquire

    def release(self) -> None:
        """As the real one does. All who wait become ready: the strategy says who is first."""
        execution = context.execution
        if execution is None or execution.current is None or context.guarded:
            mine = controlled()
            if mine is None:
                self._outside().release()
                return
            execution = mine[0]
        if self.owner is None or self.execution is not execution:
            if execution.aborting:
                return  # Its task was unwound out of a wait, in which it does not hold it.
            raise RuntimeError("release unlocked lock")
        if execution.release_points:
            execution.point(_RELEASE, self)
        elif execution.recorder:
            execution.note(_RELEASE, self)
        self.free()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def take(self, task: Task) -> None:
        """Make `task` the owner of a free lock; no scheduling point."""
        execution = context.execution
        assert execution is not None
        self.owner, self.execution = task, execution
        if self.waiters:
            execution.shut(self)
        if self.real is not None:
            take_real(execution, self)

    def free(self) -> None:
        """Nobody holds it any more; no scheduling point."""
        self.owner = None
        if self.real is not None:
            self.real.release()
        if self.waiters:
            execution = context.execution
            assert execution is not None
            execution.open(self)

    def put_down(self) -> int:
        """Free it however often it is held; no scheduling point. What `take_up` needs."""
        self.free()
        return 1

    def take_up(self, task: Task, count: int) -> None:
        """Inverse of `put_down`."""
        self.take(task)

    def locked(self) -> bool:
        """Whether somebody holds it."""
        if controlled() is None:
            return bool(self._outside().locked())
        execution = context.execution
        assert execution is not None
        execution.tried = True
        execution.point(_LOCKED, self)
        return self.owner is not None and self.execution is execution

    locked_lock, acquire_lock, release_lock = locked, acquire, release

    def _try(self, execution: Any) -> bool:
        execution.tried = True
        execution.point(_ACQUIRE, self)
        if self.owner is not None:
            return False
        self.take(execution.current)
        return True

    def _renew(self, execution: Any) -> None:
        self.execution, self.owner, self.waiters = execution, None, []

    def _outside(self) -> Any:
        if self.real is None:
            self.real = _NEW_LOCK()
        return self.real

    def _at_fork_reinit(self) -> None:
        self.owner, self.waiters = None, []

    def __repr__(self) -> str:
        state = "locked" if self.owner else "unlocked"
        owner = f" by task {self.owner.number}" if self.owner else ""
        return f"<{state} model {type(self).__name__} object{owner} at {id(self):#x}>"


class RLock(Lock):
    """`threading.RLock`: its owner may acquire it again, and nobody else may release it."""

    __slots__ = ("_count",)

    _real_name = "_thread.RLock"

    def __init__(self, *ignored: object, **also_ignored: object) -> None:
        super().__init__()
        self._count = 0
        if (ignored or also_ignored) and sys.version_info >= (3, 13):
            warnings.warn(
                "Passing arguments to RLock is deprecated and will be removed in 3.15",
                DeprecationWarning,
                stacklevel=2,
            )

    def __init_subclass__(cls) -> None:
        """As of the real one, of which there may be subclasses."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        execution = context.execution
        if execution is None or execution.current is None or context.guarded:
            mine = controlled()
            if mine is None:
                return bool(self._outside().acquire(blocking, timeout))
            execution = mine[0]
        if self.execution is not execution:
            self._renew(execution)
        if blocking is not True or timeout != -1:
            check_timeout(blocking, timeout)
        task = execution.current
        if self.owner is not task:
            if not blocking or timeout == 0:
                execution.tried = True
                execution.point(_ACQUIRE_AGAIN, self)
                if self.owner is not None:
                    return False
            elif self.owner is None and not execution.several:
                execution.point(_ACQUIRE_AGAIN, self)
            else:
                limit = None if timeout == -1 else timeout
                if not execution.pass_gate(_ACQUIRE_AGAIN, self, self.owner is None, limit):
                    return False
            self.owner = task
            if self.waiters:
                execution.shut(self)
            if self.real is not None:
                take_real(execution, self)
        self._count += 1
        return True

    __enter__ = acquire

    def release(self) -> None:
        """As the real one does."""
        execution = context.execution
        if execution is None or execution.current is None or context.guarded:
            mine = controlled()
            if mine is None:
                self._outside().release()
                return
            execution = mine[0]
        if self.owner is not execution.current or self.execution is not execution:
            if execution.aborting:
                return
            raise RuntimeError("cannot release un-acquired lock")
        if self._count == 1:
            if execution.release_points:
                execution.point(_RELEASE_LAST, self)
            elif execution.recorder:
                execution.note(_RELEASE_LAST, self)
        self._count -= 1
        if not self._count:
            self.owner = None
            if self.waiters or self.real is not None:
                self.free()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _renew(self, execution: Any) -> None:
        super()._renew(execution)
        self._count = 0

    def _outside(self) -> Any:
        if self.real is None:
            self.real = _NEW_RLOCK()
        return self.real

    # What threading.Condition asks of a lock that is held more than once.

    def _is_owned(self) -> bool:
        mine = controlled()
        if mine is None:
            return bool(self._outside()._is_owned())
        return self.owner is mine[1] and self.execution is mine[0]

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        super()._at_fork_reinit()
        self._count = 0

    def _release_save(self) -> Any:
        if controlled() is None:
            return self._outside()._release_save()
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        count, self._count = self._count, 1
        self.release()
        return count

    def _acquire_restore(self, count: Any) -> None:
        if controlled() is None:
            self._outside()._acquire_restore(count)
            return
        self.acquire()
        self._count = count

    def put_down(self) -> int:
        """As of `Lock`: how often it was held."""
        count, self._count = self._count, 0
        self.free()
        return count

    def take_up(self, task: Task, count: int) -> None:
        """As of `Lock`."""
        self.take(task)
        self._count = count


class SimpleQueue:
    """`queue.SimpleQueue`; a gate that is open while something is in it."""

    owner = None

    def __init__(self, real: Any = None) -> None:
        self.waiters: list[int] = []
        self._items: deque[Any] = deque()
        self._execution: Any = None
        self._real = real
        #: What is in it when an execution begins, of one that was made before all of them.
        self._initial = _drained(real) if real is not None else None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Never waits."""
        mine = self._controlled()
        if mine is None:
            self._outside().put(item)
            return
        execution, _ = mine
        execution.point(_PUT, self)
        self._items.append(item)
        if len(self._items) == 1:
            execution.open(self)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Wait for an item. Raises Empty where there is none in time."""
        mine = self._controlled()
        if mine is None:
            return self._outside().get(block, timeout)
        execution, _ = mine
        if timeout is not None and block:
            if timeout < 0:
                raise ValueError("'timeout' must be a non-negative number")
            check_limit(timeout)
        if not block:
            execution.point(_GET, self)
            if not self._items:
                raise Empty
        elif not execution.pass_gate(_GET, self, bool(self._items), timeout):
            raise Empty
        item = self._items.popleft()
        if not self._items:
            execution.shut(self)
        return item

    def put_nowait(self, item: Any) -> None:
        """`put`."""
        self.put(item)

    def get_nowait(self) -> Any:
        """`get` that never waits."""
        return self.get(False)

    def empty(self) -> bool:
        """Whether nothing is in it."""
        return self.qsize() == 0

    def qsize(self) -> int:
        """How many items are in it."""
        mine = self._controlled()
        if mine is None:
            return int(self._outside().qsize())
        mine[0].point(_SIZE, self)
        return len(self._items)

    def __class_getitem__(cls, item: Any, /) -> GenericAlias:
        return GenericAlias(cls, item)

    def _controlled(self) -> Any:
        mine = controlled()
        if mine is not None and self._execution is not mine[0]:
            # Items outlive an execution, waiters do not.
            self._execution, self.waiters = mine[0], []
            if self._initial is not None:
                self._items = deque(self._initial)
        return mine

    def give_back(self) -> None:
        """Put into the real one what was in it; the exploration is over."""
        for item in self._initial or ():
            self._real.put(item)

    def _outside(self) -> Any:
        if self._real is None:
            self._real = _NEW_QUEUE()
        while self._items and self._initial is None:
            self._real.put(self._items.popleft())
        return self._real


_PUT, _GET = operation("put", "SimpleQueue"), operation("get", "SimpleQueue")
_SIZE = operation("size", "SimpleQueue")


def _drained(real: Any) -> list[Any]:
    items = []
    while not real.empty():
        items.append(real.get_nowait())
    return items


def take_real(execution: Any, lock: Lock) -> None:
    """Take the lock behind a model, which must be free: nobody but tasks holds what tasks use."""
    if not lock.real.acquire(False):
        execution.uncontrolled.setdefault(
            f"{type(lock).__name__} held by a thread that is not under control"
        )
        lock.real.acquire()


def check_limit(timeout: float) -> None:
    """The complaints of whatever waits, about too long a time and about none at all."""
    if timeout > TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    if timeout != timeout:
        raise ValueError("Invalid value NaN (not a number)")


def check_timeout(blocking: bool, timeout: float) -> None:
    """The complaints of the real locks."""
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    check_limit(timeout)
