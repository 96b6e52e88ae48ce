"""Replay: the choices of an earlier execution again, and a stop at the first step that differs."""

from __future__ import annotations

from collections.abc import Sequence

from stress.errors import ScheduleDiverged
from stress.schedule import Schedule, Switch
from stress.strategy import Pending


class ReplayStrategy:
    """Repeats one schedule, once: a task runs until the operation at which it was preempted.

    Raises ScheduleDiverged where the program does otherwise. It compares what operations are, not
    how many came before, and so follows a program through unrelated edits. It needs anchors, and
    so a recorded execution.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._switches = schedule.switches
        self._done = 0

    @property
    def left(self) -> tuple[Switch, ...]:
        """The switches that did not come yet."""
        return self._switches[self._done :]

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._done = 0
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The running task, until it comes to where it was preempted."""
        switch = self._switches[self._done] if self.left else None
        if current is not None:
            at = pending[current].anchor
            if switch is None or switch.at is None or (switch.task, switch.at) != (current, at):
                return current
        elif switch is None:
            raise ScheduleDiverged(
                f"switch {self._done}: the schedule ends here, and {_tasks(ready)} are ready"
            )
        elif switch.at is not None:
            raise ScheduleDiverged(
                f"switch {self._done}: expected that {switch}; found that the running task came to "
                f"its end or has to wait before that, and that {_tasks(ready)} are ready"
            )
        assert switch is not None
        if tuple(ready) != switch.ready:
            raise ScheduleDiverged(
                f"switch {self._done}: expected that {switch}, and that {_tasks(switch.ready)} are "
                f"ready; found that {_tasks(ready)} are"
            )
        self._done += 1
        return switch.to


class Repeat:
    """Makes the same raw choices again, one by one: for the same program on the same Python."""

    def __init__(self, chosen: Sequence[int]) -> None:
        self._chosen = chosen
        self._done = 0

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._done = 0
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """What was chosen then."""
        if self._done >= len(self._chosen):
            raise ScheduleDiverged(
                f"choice {self._done}: the first execution ended here, and {_tasks(ready)} are "
                "ready in the second"
            )
        chosen = self._chosen[self._done]
        if chosen not in ready:
            raise ScheduleDiverged(
                f"choice {self._done}: task {chosen} went on in the first execution; in the second "
                f"{_tasks(ready)} are ready"
            )
        self._done += 1
        return chosen


def _tasks(numbers: Sequence[int]) -> str:
    return f"tasks {', '.join(map(str, numbers))}"
