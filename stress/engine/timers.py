"""Who wakes when: the deadlines of waiting tasks, in order."""

from __future__ import annotations

import heapq
from typing import Any


class Timers:
    """Deadlines, in seconds of the virtual clock. Those that came to nothing are dropped late."""

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Any]] = []
        self._number = 0

    def set(self, task: Any, deadline_s: float) -> None:
        """Wake `task` at this moment, if it still waits then."""
        task.deadline = deadline_s
        self._number += 1
        heapq.heappush(self._heap, (deadline_s, self._number, task))

    def first(self) -> float | None:
        """The next moment at which a task wakes; None where none will."""
        heap = self._heap
        while heap:
            deadline_s, _, task = heap[0]
            if task.deadline == deadline_s and task.alive and task.blocked is not None:
                return deadline_s
            heapq.heappop(heap)
        return None

    def pop(self) -> Any:
        """The task that `first` spoke of."""
        task = heapq.heappop(self._heap)[2]
        task.deadline = None
        return task


def pass_time(execution: Any) -> bool:
    """Move the clock to the next deadline, and wake all who wait for it; False without one."""
    deadline_s = execution.timers.first()
    if deadline_s is None:
        return False
    execution.clock_s = max(execution.clock_s, deadline_s)
    # All whose moment it is: which of them goes first is for the strategy to say.
    while execution.timers.first() == deadline_s:
        task = execution.timers.pop()
        gate, task.timed_out = task.blocked, True
        task.pending.woken += 1
        if task.number in gate.waiters:
            gate.waiters.remove(task.number)
        execution.release(task)
    return True


def let_time_pass(execution: Any) -> None:
    """Nothing but spinning goes on: who is back from outside may go on, or time passes."""
    if execution.outside is None or not execution.outside.take_back():
        pass_time(execution)


def move_clock(execution: Any, seconds: float) -> None:
    """Move the clock by that much, or to where the next task wakes if that comes first."""
    until_s = execution.clock_s + seconds
    deadline_s = execution.timers.first()
    if deadline_s is not None and deadline_s <= until_s:
        pass_time(execution)
    else:
        execution.clock_s = until_s
