"""Guided by a schedule that need not fit: what does not come about is left out.

For shrinking, which tries schedules that nobody has executed yet. Between their switches tasks run
as long as they can. Where one cannot go on, that one does which the schedule has next; where it has
none, the one with the lowest number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from stress.events import Anchor
from stress.schedule import Schedule
from stress.strategy import Pending


class Guided:
    """One execution along a schedule, as far as that is possible. Needs anchors, and so a recorded
    execution."""

    def __init__(self, schedule: Schedule) -> None:
        self._switches = schedule.switches
        self._done = 0
        #: Where in the schedule a task is preempted before it does that; None for who cannot go on.
        self._places: defaultdict[tuple[int, Anchor] | None, list[int]] = defaultdict(list)
        for place, switch in enumerate(schedule.switches):
            self._places[None if switch.at is None else (switch.task, switch.at)].append(place)

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._done = 0
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the next switch says that fits here."""
        key = None
        if current is not None:
            anchor = pending[current].anchor
            assert anchor is not None
            key = current, anchor
        places = self._places.get(key, ())
        for place in places[bisect_left(places, self._done) :]:
            to = self._switches[place].to
            if to in ready:
                self._done = place + 1
                return to
        return ready[0] if current is None else current
