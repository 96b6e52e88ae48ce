"""Replay: the choices of a schedule again, and a stop at the first step that differs."""

from __future__ import annotations

from collections.abc import Sequence

from stress.errors import ScheduleDiverged
from stress.schedule import Schedule
from stress.strategy import Pending


class ReplayStrategy:
    """Repeats one schedule, once. Raises ScheduleDiverged where the program does otherwise."""

    def __init__(self, schedule: Schedule) -> None:
        self._choices = schedule.choices
        self._step = 0

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._step = 0
        return execution == 0

    def choose(self, ready: Sequence[Pending], current: int | None) -> int:
        """The task that was chosen then."""
        found = tuple(pending.task for pending in ready)
        if self._step >= len(self._choices):
            raise ScheduleDiverged(
                f"choice {self._step}: the schedule ends here, and tasks "
                f"{', '.join(map(str, found))} are ready"
            )
        expected = self._choices[self._step]
        if found != expected.ready:
            raise ScheduleDiverged(
                f"choice {self._step}: expected {expected}; ready now are tasks "
                f"{', '.join(map(str, found))}"
            )
        index = found.index(expected.task)
        if ready[index].kind != expected.kind:
            raise ScheduleDiverged(
                f"choice {self._step}: expected {expected}; that task is now about to "
                f"{ready[index].kind}"
            )
        self._step += 1
        return index
