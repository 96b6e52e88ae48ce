"""Condition, Event and Semaphore of `threading`, each of whose operations is one step.

The standard library builds them from locks, so that a wait would be six scheduling points of no
interest. These functions stand for their methods while a task calls them; the classes, and all
state that programs can see, stay those of the standard library.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from stress.engine.context import controlled, running, stands_for
from stress.engine.locks import Lock, RLock, check_limit, operation
from stress.engine.task import Task

_WAIT, _NOTIFY = operation("wait", "Condition"), operation("notify", "Condition")
_ACQUIRE = operation("acquire", "Condition")
_EVENT_WAIT, _EVENT_SET = operation("wait", "Event"), operation("set", "Event")
_EVENT_CLEAR, _IS_SET = operation("clear", "Event"), operation("is set", "Event")
_PERMIT, _GIVE_BACK = operation("acquire", "Semaphore"), operation("release", "Semaphore")


_REAL_WAIT, _REAL_NOTIFY = threading.Condition.wait, threading.Condition.notify
_REAL_EVENT_WAIT, _REAL_IS_SET = threading.Event.wait, threading.Event.is_set
_REAL_SET, _REAL_CLEAR = threading.Event.set, threading.Event.clear
_REAL_ACQUIRE, _REAL_RELEASE = threading.Semaphore.acquire, threading.Semaphore.release
_REAL_BOUNDED = threading.BoundedSemaphore.release


class _Notification:
    """What one call of `Condition.wait` waits for."""

    __slots__ = ("came", "of", "task", "waiters")

    owner = None
    is_gate_of = True

    def __init__(self, of: Any, task: Task) -> None:
        self.of = of
        self.task = task
        self.waiters: list[int] = []
        #: Whether its task now waits for the lock of the condition.
        self.came = False


@stands_for(_REAL_WAIT)
def condition_wait(self: Any, timeout: float | None = None) -> bool:
    # Two steps, one to wait, and one to go on with the lock.
    mine = controlled()
    if mine is None:
        return bool(_REAL_WAIT(self, timeout))
    lock = self._lock
    if type(lock) is not Lock and type(lock) is not RLock:
        return _REAL_WAIT(self, timeout)
    execution, task = mine
    if not _is_held(lock, task):
        raise RuntimeError("cannot wait on un-acquired lock")
    if timeout is not None:
        check_limit(timeout)
    task.pending.also = lock
    execution.point(_WAIT, self)
    task.pending.also = None
    waiting = _Notification(self, task)
    self._waiters.append(waiting)
    count = lock.put_down()
    try:
        if timeout is not None and timeout <= 0:
            notified = False
        else:
            notified = execution.park(_WAIT, waiting, timeout)
    finally:
        if waiting in self._waiters:
            self._waiters.remove(waiting)
        if not execution.aborting:
            if waiting.came:
                lock.waiters.remove(task.number)
            else:
                execution.pass_gate(_ACQUIRE, lock, lock.owner is None)
            lock.take_up(task, count)
    return notified


@stands_for(_REAL_NOTIFY)
def condition_notify(self: Any, n: int = 1) -> None:
    # Who is notified is ready as soon as the lock is free.
    mine = controlled()
    if mine is None:
        _REAL_NOTIFY(self, n)
        return
    lock = self._lock
    if type(lock) is not Lock and type(lock) is not RLock:
        _REAL_NOTIFY(self, n)
        return
    execution, task = mine
    if not _is_held(lock, task):
        raise RuntimeError("cannot notify on un-acquired lock")
    execution.point(_NOTIFY, self)
    for _ in range(min(n, len(self._waiters))):
        waiting = self._waiters.popleft()
        notified = waiting.task
        # As in the standard library, the notification of who gave up just now is lost.
        if not notified.timed_out:
            waiting.came, notified.deadline = True, None
            notified.blocked = lock
            lock.waiters.append(notified.number)
            notified.pending.site, notified.pending.object = _ACQUIRE, lock


def _is_held(lock: Lock, task: Task) -> bool:
    """What `Condition._is_owned` finds out by trying, without trying."""
    return lock.owner is task if type(lock) is RLock else lock.owner is not None


@stands_for(_REAL_EVENT_WAIT)
def event_wait(self: Any, timeout: float | None = None) -> bool:
    # Who waits when it is set goes on, even if it is cleared meanwhile.
    mine = controlled()
    if mine is None:
        return bool(_REAL_EVENT_WAIT(self, timeout))
    execution, task = mine
    execution.point(_EVENT_WAIT, self)
    if self._flag or (timeout is not None and timeout <= 0):
        return bool(self._flag)
    if timeout is not None:
        check_limit(timeout)
    waiting = _Notification(self, task)
    self._cond._waiters.append(waiting)
    try:
        return execution.park(_EVENT_WAIT, waiting, timeout)
    finally:
        if waiting in self._cond._waiters:
            self._cond._waiters.remove(waiting)


@stands_for(_REAL_SET)
def event_set(self: Any) -> None:
    mine = controlled()
    if mine is None:
        _REAL_SET(self)
        return
    execution, _ = mine
    execution.point(_EVENT_SET, self)
    self._flag = True
    waiters = self._cond._waiters
    while waiters:
        waiting = waiters.popleft().task
        # Who gave up just now is ready already.
        if waiting.blocked is not None:
            execution.release(waiting)


@stands_for(_REAL_CLEAR)
def event_clear(self: Any) -> None:
    mine = controlled()
    if mine is None:
        _REAL_CLEAR(self)
        return
    mine[0].point(_EVENT_CLEAR, self)
    self._flag = False


@stands_for(_REAL_IS_SET)
def event_is_set(self: Any) -> bool:
    mine = controlled()
    if mine is None:
        return bool(_REAL_IS_SET(self))
    mine[0].point(_IS_SET, self)
    return bool(self._flag)


class _Permits:
    """The gate of a semaphore: open while there are permits."""

    __slots__ = ("_of", "execution", "waiters")

    owner = None
    is_gate_of = True

    def __init__(self, execution: Any, of: Any) -> None:
        self.execution = execution
        self._of = weakref.ref(of)
        self.waiters: list[int] = []

    @property
    def of(self) -> Any:
        """The semaphore."""
        return self._of()


def _permits(semaphore: Any) -> _Permits:
    execution, _ = running()
    gate = semaphore.__dict__.get("_permits")
    if gate is None or gate.execution is not execution:
        gate = semaphore.__dict__["_permits"] = _Permits(execution, semaphore)
    return gate  # type: ignore[no-any-return]


@stands_for(_REAL_ACQUIRE)
def semaphore_acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
    mine = controlled()
    if mine is None:
        return bool(_REAL_ACQUIRE(self, blocking, timeout))
    if not blocking and timeout is not None:
        raise ValueError("can't specify timeout for non-blocking acquire")
    execution, _ = mine
    gate = _permits(self)
    if not blocking or (timeout is not None and timeout <= 0):
        execution.point(_PERMIT, self)
        if self._value <= 0:
            return False
    else:
        if timeout is not None:
            check_limit(timeout)
        if not execution.pass_gate(_PERMIT, gate, self._value > 0, timeout):
            return False
    self._value -= 1
    if not self._value:
        execution.shut(gate)
    return True


@stands_for(_REAL_RELEASE)
def semaphore_release(self: Any, n: int = 1) -> None:
    mine = controlled()
    if mine is None:
        _REAL_RELEASE(self, n)
        return
    if n < 1:
        raise ValueError("n must be one or more")
    _give_back(self, n)


@stands_for(_REAL_BOUNDED)
def bounded_release(self: Any, n: int = 1) -> None:
    mine = controlled()
    if mine is None:
        _REAL_BOUNDED(self, n)
        return
    if n < 1:
        raise ValueError("n must be one or more")
    if self._value + n > self._initial_value:
        raise ValueError("Semaphore released too many times")
    _give_back(self, n)


def _give_back(semaphore: Any, n: int) -> None:
    execution, _ = running()
    execution.point(_GIVE_BACK, semaphore)
    semaphore._value += n
    if semaphore._value == n:
        execution.open(_permits(semaphore))


#: What stands for which methods while tasks run.
METHODS: dict[type, dict[str, Any]] = {
    threading.Condition: {"wait": condition_wait, "notify": condition_notify},
    threading.Event: {
        "wait": event_wait,
        "set": event_set,
        "clear": event_clear,
        "is_set": event_is_set,
    },
    threading.Semaphore: {
        "acquire": semaphore_acquire,
        "__enter__": semaphore_acquire,
        "release": semaphore_release,
    },
    threading.BoundedSemaphore: {"release": bounded_release},
}


def replaced_methods() -> list[tuple[type, str, Any]]:
    """Class, name and function of everything here, falling back where no task calls."""
    return [(cls, name, model) for cls, names in METHODS.items() for name, model in names.items()]
