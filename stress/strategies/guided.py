"""Guided by a schedule that need not fit: what does not come about is left out.

For shrinking, which tries schedules that nobody has executed yet. Between their switches tasks run
as long as they can, and then the one with the lowest number goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.schedule import Schedule, Switch
from stress.strategy import Pending


class Guided:
    """One execution along a schedule, as far as that is possible. Needs anchors, and so a recorded
    execution."""

    def __init__(self, schedule: Schedule) -> None:
        self._switches = schedule.switches
        self._done = 0

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._done = 0
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the next switch says that fits here."""
        at = None if current is None else pending[current].anchor
        for place in range(self._done, len(self._switches)):
            switch = self._switches[place]
            if switch.to in ready and _fits(switch, ready, current, at):
                self._done = place + 1
                return switch.to
        return ready[0] if current is None else current


def _fits(switch: Switch, ready: Sequence[int], current: int | None, at: object) -> bool:
    if current is None:
        return switch.at is None and switch.ready == tuple(ready)
    return switch.at is not None and (switch.task, switch.at) == (current, at)
