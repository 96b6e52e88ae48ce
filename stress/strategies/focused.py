"""Focus: scheduling points only where tasks touch what they share.

The first executions of a strategy, and a few later ones, are wide: every point is one, and what is
learnt from them is which places in the source touch an object that several tasks touch and one
changes. In between, a task that is about to do anything else goes on without a question, so that
the strategy spends its choices where they matter. What was not seen to be shared is looked at again
in the wide executions, so that nothing stays hidden. That interesting places are learnt from
profiled executions is as in Zhao et al., ASPLOS 2025 (see `surw`), here for any strategy.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.conflicts import effects_of
from stress.site import Site
from stress.strategies.sharing import Sharing
from stress.strategy import Pending, Strategy

#: So many executions are wide at the beginning, and one of so many later.
FIRST, EVERY = 3, 8
#: Places from which it is not known where they lead: whoever starts or ends decides for others.
_ALWAYS = frozenset({"begin", "start"})


class Focused:
    """A strategy that is asked where it matters; for one that draws at random."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._execution = -1
        self._is_wide = True
        self._shared: set[Site] = set()
        self._sharing = Sharing()
        #: Operations at which it was asked, and others at which it could have been.
        self.asked = self.passed = 0

    @property
    def scheduled(self) -> float:
        """At what share of the operations with a choice the strategy was asked (0 to 1)."""
        both = self.asked + self.passed
        return self.asked / both if both else 1.0

    def begin(self, execution: int) -> bool:
        """As the strategy does."""
        if execution != self._execution:
            self._execution = execution
            self._shared = self._shared.union(*self._sharing.shared())
        self._sharing = Sharing()
        self._is_wide = execution < FIRST or execution % EVERY == 0
        return self._strategy.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The running task where it is about to touch nothing shared, and else as the strategy."""
        if self._is_wide:
            for task in ready:
                site = pending[task].site
                self._sharing.look_at(task, site, effects_of(pending[task]))
        elif current is not None:
            site = pending[current].site
            if site not in self._shared and site.kind not in _ALWAYS:
                self.passed += 1
                return current
        self.asked += 1
        return self._strategy.choose(ready, pending, current)
