"""Any strategy, looked on at: which steps its executions are made of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from stress.detect.library import LibraryCall, LibraryCalls
from stress.steps import Step, step_of
from stress.strategy import Pending, Strategy


class Watched:
    """The strategy, and the steps of its last execution since there was a second task.

    What the strategy says of itself by attributes, this says as well.
    """

    every_step = True

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._sees_all = bool(getattr(strategy, "every_step", False))
        self.steps: list[Step] = []
        #: Who made the last of them.
        self._running = -1
        self._library = LibraryCalls()
        #: Of tasks that are about to take a lock inside of the standard library: for which call.
        self._through: dict[int, LibraryCall] = {}
        #: Locks that were taken elsewhere, by identity, and held for that: it is not looked again.
        self._plain: dict[int, object] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def begin(self, execution: int) -> bool:
        """As the strategy does."""
        self.steps, self._running = [], -1
        self._through, self._plain = {}, {}
        return self._strategy.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the strategy does; one that sees choices only is asked for these."""
        # Whoever went on last has just said what it is about to do, and stands there.
        running = self._running if self._running >= 0 else current
        if running is not None:
            site = pending[running].site
            if site.kind == "acquire" and not site.function:
                self._look(pending[running])
        if len(ready) == 1 and not self._sees_all:
            chosen = ready[0]
        else:
            chosen = (
                self._strategy.choose(ready, pending, current) if ready or self._sees_all else 0
            )
            if chosen not in ready:
                return chosen  # The engine says so.
        self._running = chosen
        step = step_of(pending[chosen], len(pending))
        if self._through and chosen in self._through:
            through = self._through.pop(chosen)
            step = step._replace(through=through.site, key=through.error)
        self.steps.append(step)
        return chosen

    def _look(self, pending: Pending) -> None:
        lock = pending.object
        if id(lock) in self._plain:
            return
        through = self._library.look(sys._getframe(2))
        if through is None:
            self._plain[id(lock)] = lock
        elif through.site is not None:
            self._through[pending.task] = through
