"""Tasks that spin: they read the same things over and over, and wait for what others would do.

A strategy that prefers such a task would run it for ever. So now and then the engine looks at a
few steps in a row: where one task alone makes them, and none of them changes anything, it lets
others go first; where there are no others, time passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from stress.engine.timers import let_time_pass

#: After so many steps the engine looks at the next `WINDOW` of them, and at the last `LAST`.
WATCH_EVERY, WINDOW, LAST = 256, 64, 512
#: What changes nothing that another task waits for, or is undone in the same breath.
IDLE = frozenset({
    "read", "read item", "iterate", "contains", "acquire", "release", "enter", "exit", "yield",
    "sleep", "is set", "time", "locked",
})  # fmt: skip


class Watch:
    """Looks for spinning in one execution."""

    def __init__(self, step_limit: int, enforcing: bool) -> None:
        #: The tasks that did nothing but spin when the execution came to its step limit.
        self.spinning: tuple[int, ...] = ()
        #: Those that let others go first, until something changes.
        self.spun: set[int] = set()
        self._enforcing = enforcing
        self._last: deque[tuple[int, str]] = deque(maxlen=LAST)
        self._from = max(step_limit - LAST, step_limit // 2)
        self._next = WATCH_EVERY
        self._task = -1
        self._steps = 0

    def look(self, execution: Any, task: Any) -> int:
        """Look at a step that `task` is about to make; the number of the next step to look at."""
        step: int = execution.steps
        pending = task.pending
        if pending.yielding:
            pending.yielding = False
        if step >= self._from:
            self._last.append((task.number, pending.site.kind))
        if step < self._next:
            return min(self._next, max(self._from, step + 1))
        if task.number != self._task:
            self._task, self._steps = task.number, 0
            if self._steps == 0 and step > self._next:
                # Somebody else has the turn in the middle of the window: nobody spins.
                return self._later(step)
        if pending.site.kind not in IDLE:
            return self._later(step)
        self._steps += 1
        if self._steps >= WINDOW:
            if len(execution.ready) > 1:
                pending.yielding = self._enforcing
                if self._enforcing:
                    self.spun.add(task.number)
            else:
                let_time_pass(execution)
            return self._later(step)
        return step + 1

    def conclude(self, ready: Sequence[int]) -> None:
        """The execution came to its step limit: say whether it did nothing but spin, and nobody
        else could have ended that."""
        tasks = {task for task, _ in self._last}
        if tasks >= set(ready) and all(kind in IDLE for _, kind in self._last):
            self.spinning = tuple(sorted(tasks))

    def _later(self, step: int) -> int:
        self._task, self._steps = -1, 0
        self._next = step + WATCH_EVERY
        return min(self._next, max(self._from, step + 1))
