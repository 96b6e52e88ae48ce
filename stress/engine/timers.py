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
