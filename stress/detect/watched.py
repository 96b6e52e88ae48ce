"""Any strategy, looked on at: which steps its executions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def begin(self, execution: int) -> bool:
        """As the strategy does."""
        self.steps = []
        return self._strategy.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the strategy does; one that sees choices only is asked for these."""
        if len(ready) > 1 or self._sees_all:
            chosen = self._strategy.choose(ready, pending, current)
        else:
            chosen = ready[0] if ready else 0
        if chosen in ready:  # Of what is not, the engine says so.
            self.steps.append(step_of(pending[chosen], len(pending)))
        return chosen
