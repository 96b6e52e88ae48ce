"""Lock and RLock of an execution: models with an owner and waiters, no lock of the system below.

Condition, Event, Semaphore, Barrier, Queue and Thread of the standard library are Python code on
top of these two, and run on them unchanged.
"""

from __future__ import annotations

from _thread import TIMEOUT_MAX

from stress.engine.context import running_execution
from stress.engine.execution import Task


class Lock:
    """`threading.Lock`: any task may release it."""

    __slots__ = ("__weakref__", "_waiters", "owner")

    def __init__(self) -> None:
        self.owner: Task | None = None
        self._waiters: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        check_timeout(blocking, timeout)
        execution = running_execution()
        execution.point("acquire", self)
        task = execution.running()
        while self.owner is not None:
            if not blocking or timeout == 0:
                return False
            self._waiters.append(task)
            if not execution.wait("acquire", self, timeout if timeout > 0 else None):
                self._waiters.remove(task)
                return False
        self.owner = task
        return True

    def release(self) -> None:
        """As the real one does. All who wait become ready: the strategy says who is first."""
        execution = running_execution()
        if self.owner is None:
            raise RuntimeError("release unlocked lock")
        execution.point("release", self)
        self.free()

    def free(self) -> None:
        """Nobody holds it any more, and who waits is ready; no scheduling point."""
        self.owner = None
        waiters, self._waiters = self._waiters, []
        for task in waiters:
            running_execution().wake(task)

    def locked(self) -> bool:
        """Whether somebody holds it."""
        running_execution().point("locked", self)
        return self.owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self.owner = None
        self._waiters = []

    def __repr__(self) -> str:
        state = "locked" if self.owner else "unlocked"
        owner = f" by task {self.owner.number}" if self.owner else ""
        return f"<{state} model {type(self).__name__} object{owner} at {id(self):#x}>"


class RLock(Lock):
    """`threading.RLock`: its owner may acquire it again, and nobody else may release it."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one does."""
        check_timeout(blocking, timeout)
        if not self._is_owned() and not super().acquire(blocking, timeout):
            return False
        self._count += 1
        return True

    def release(self) -> None:
        """As the real one does."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            super().release()

    # What threading.Condition asks of a lock that is held more than once.

    def _is_owned(self) -> bool:
        return self.owner is running_execution().running()

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        super()._at_fork_reinit()
        self._count = 0

    def _release_save(self) -> int:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        count, self._count = self._count, 0
        super().release()
        return count

    def _acquire_restore(self, count: int) -> None:
        super().acquire()
        self._count = count


def check_timeout(blocking: bool, timeout: float) -> None:
    """The complaints of the real locks."""
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
