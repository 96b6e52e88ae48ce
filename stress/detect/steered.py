"""Executions that are led to where it shows whether a suspicion is one."""

from __future__ import annotations

from collections.abc import Sequence

from stress.detect.suspicion import Inversion, Overtaken
from stress.site import Site
from stress.steps import Step
from stress.strategy import Pending


class InTurn:
    """As in an execution before, up to where `late` is about to read; then it has to wait until the
    other has written, and then goes first."""

    every_step = True

    def __init__(self, steps: Sequence[Step], doubt: Overtaken) -> None:
        self._tasks = [step.task for step in steps[: doubt.stop]]
        self._late = steps[doubt.read].task
        self._early, self._written = steps[doubt.between].task, steps[doubt.between].site
        self._place = 0
        self._is_done = False
        self._about_to: Site | None = None

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._place, self._is_done, self._about_to = 0, False, None
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The task of the step there; then the one that writes, and then the late one."""
        if not ready:
            return 0
        place, self._place = self._place, self._place + 1
        if place < len(self._tasks):
            chosen = self._tasks[place]
            return chosen if chosen in ready else ready[0]
        self._is_done |= self._about_to is self._written
        self._about_to = None
        others = [task for task in ready if task != self._late]
        if self._is_done or not others:
            return self._late if self._late in ready else ready[0]
        chosen = self._early if self._early in others else others[0]
        if chosen == self._early:
            self._about_to = pending[chosen].site
        return chosen


class IntoEachOther:
    """Each task that takes part in an inversion waits where it has its first lock, until all do."""

    every_step = True

    def __init__(self, steps: Sequence[Step], inversion: Inversion) -> None:
        #: By task, the place among its steps at which it is about to take the second lock.
        self._stops = {
            steps[step].task: sum(one.task == steps[step].task for one in steps[:step])
            for step in inversion.takes
        }
        self._done: dict[int, int] = {}

    def begin(self, execution: int) -> bool:
        """The first execution is the only one."""
        self._done = {}
        return execution == 0

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """Whoever is not there yet; the one that has the turn first."""
        if not ready:
            return 0
        going = [task for task in ready if self._done.get(task, 0) != self._stops.get(task, -1)]
        chosen = current if current in going else (going or ready)[0]
        assert chosen is not None
        self._done[chosen] = self._done.get(chosen, 0) + 1
        return chosen
