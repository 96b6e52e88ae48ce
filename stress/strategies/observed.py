"""Any strategy, looked on at: what its executions have covered, and when the last new came."""

from __future__ import annotations

from collections.abc import Sequence

from stress.statistics import Coverage
from stress.strategies.reads_from import Behaviour, ReadsFrom
from stress.strategy import Pending, Strategy


class Coverer:
    """Counts what executions show, one after another."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._executions = self._last_new = 0
        self._known = (0, 0)

    def count(self) -> bool:
        """One more execution was added to the behaviour; gives whether it showed anything new."""
        self._executions += 1
        now = len(self._behaviour.pairs), self._behaviour.timelines
        is_new = now != self._known
        if is_new:
            self._known, self._last_new = now, self._executions
        return is_new

    @property
    def coverage(self) -> Coverage:
        """Up to now."""
        return Coverage(
            interleavings=self._behaviour.interleavings,
            reads_from=len(self._behaviour.pairs),
            orders=self._behaviour.timelines,
            last_new=self._last_new,
        )


class Observed:
    """The strategy, and its coverage."""

    every_step = True

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._sees_all = bool(getattr(strategy, "every_step", False))
        self._behaviour = Behaviour()
        self._coverer = Coverer(self._behaviour)
        self._reads: ReadsFrom | None = None
        self._execution = -1

    @property
    def complete(self) -> bool:
        """As the strategy says."""
        return bool(getattr(self._strategy, "complete", False))

    @property
    def sampled(self) -> int:
        """As the strategy says; all where it says nothing."""
        return int(getattr(self._strategy, "sampled", self._execution + 1))

    @property
    def scheduled(self) -> float:
        """As the strategy says."""
        return float(getattr(self._strategy, "scheduled", 1.0))

    @property
    def coverage(self) -> Coverage:
        """Of all executions up to now."""
        self._learn()
        return self._coverer.coverage

    def begin(self, execution: int) -> bool:
        """As the strategy does."""
        if execution != self._execution:
            self._learn()
        if not self._strategy.begin(execution):
            return False
        self._execution, self._reads = execution, ReadsFrom()
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the strategy does; one that sees choices only is asked for these."""
        if len(ready) > 1 or self._sees_all:
            chosen = self._strategy.choose(ready, pending, current)
        else:
            chosen = ready[0] if ready else 0
        if self._reads is not None:
            self._reads.see(ready, pending, chosen)
        return chosen

    def _learn(self) -> None:
        if self._reads is not None:
            self._behaviour.add(self._reads)
            self._reads = None
            self._coverer.count()
