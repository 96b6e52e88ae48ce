"""The portfolio: no strategy is the best for every program, so they share the executions.

At the beginning in a fixed order, in which those come first that need the fewest executions on the
yardsticks of the field; then whoever has shown new behaviour gets more. New is a pair of a write
and a read, or an order in which tasks came to a shared object (see `reads_from`). RFF plans from
what any of them showed.

When DPOR says that there is no other execution, others have some more before the portfolio ends: it
goes by the operations that are seen, and what code that is not instrumented does to shared objects
is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stress.statistics import Coverage
from stress.strategies.dpor import DPOR
from stress.strategies.focused import Focused
from stress.strategies.observed import Coverer
from stress.strategies.pct import PCT
from stress.strategies.pos import POS
from stress.strategies.random_walk import RandomWalk
from stress.strategies.reads_from import ReadsFrom
from stress.strategies.rff import RFF
from stress.strategies.surw import SURW
from stress.strategy import Pending, Strategy

#: Who has the first executions.
OPENING = (
    "rff", "dpor", "dpor", "rff", "rff", "dpor", "dpor", "rff", "rff", "pos", "dpor", "rff", "surw",
    "rff", "dpor", "rff",
)  # fmt: skip
MEMBERS: Mapping[str, Callable[[int], Strategy]] = {
    "rff": RFF,
    "dpor": DPOR,
    "surw": SURW,
    "pos": lambda seed: Focused(POS(seed)),
    "pct": PCT,
    "random": lambda seed: Focused(RandomWalk(seed)),
}
#: Executions of others after which it is believed that there are no more.
SECOND_LOOK = 100
#: Shares of the executions after these, times what part of them was new.
SHARES = {"rff": 4.0, "dpor": 2.0}
#: What a member has at least of the share of one that always shows something new.
_LEAST = 0.1
#: How much an execution counts in what a member showed lately.
_LATELY = 0.05


class _Member:
    def __init__(self, name: str, strategy: Strategy) -> None:
        self.name = name
        self.strategy = strategy
        self.share = SHARES.get(name, 1.0)
        self.every_step = bool(getattr(strategy, "every_step", False))
        self.executions = 0
        #: What part of its executions lately was new.
        self.news = 1.0
        #: What it had of the executions, in proportion to its share.
        self.spent = 0.0
        self.ended = False


class Portfolio:
    """A strategy that ends where DPOR does."""

    every_step = True

    def __init__(
        self, seed: int, members: Mapping[str, Callable[[int], Strategy]] = MEMBERS
    ) -> None:
        self._members = {name: _Member(name, make(seed)) for name, make in members.items()}
        self._opening = [name for name in OPENING if name in members]
        self._rff = RFF(seed)
        self._coverer = Coverer(self._rff.behaviour)
        if "rff" in members:
            self._members["rff"].strategy = self._rff
        self._execution = self._learned = -1
        self._current = next(iter(self._members.values()))
        self._reads: ReadsFrom | None = None
        #: Whether a member has come to an end that is that of all executions, and how many of
        #: others are still to be made then.
        self._exhausted = False
        self._left = SECOND_LOOK
        self._choices = 0

    @property
    def complete(self) -> bool:
        """Whether there is no other execution than those that were made, also at a second look."""
        return self._exhausted and self._left < 0

    @property
    def member(self) -> str:
        """Whose execution is under way, or was the last."""
        return self._current.name

    @property
    def sampled(self) -> int:
        """How many executions were drawn at random."""
        members = self._members.values()
        return sum(m.executions for m in members if not hasattr(m.strategy, "sampled"))

    @property
    def coverage(self) -> Coverage:
        """Of the executions of all members."""
        self._learn()
        return self._coverer.coverage

    @property
    def scheduled(self) -> float:
        """At what share of the operations with a choice a member was asked (0 to 1)."""
        strategies = [member.strategy for member in self._members.values()]
        passed = sum(one.passed for one in strategies if isinstance(one, Focused))
        return 1.0 - passed / self._choices if self._choices else 1.0

    @property
    def shares(self) -> Mapping[str, int]:
        """How many executions each member had."""
        return {member.name: member.executions for member in self._members.values()}

    def begin(self, execution: int) -> bool:
        """The next execution of a member."""
        if execution != self._execution:
            self._learn()
            self._execution = execution
            while not self._pass_on():
                if all(member.ended for member in self._members.values()):
                    return False
            if self._exhausted:
                self._left -= 1
                if self._left < 0:
                    return False
        else:
            self._current.strategy.begin(self._current.executions - 1)
        self._reads = None if self._current.strategy is self._rff else ReadsFrom()
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the member does; those that see choices only are asked for these."""
        member = self._current
        self._choices += len(ready) > 1
        if len(ready) > 1 or member.every_step:
            chosen = member.strategy.choose(ready, pending, current)
        else:
            chosen = ready[0] if ready else 0
        if self._reads is not None:
            self._reads.see(ready, pending, chosen)
        return chosen

    def _pass_on(self) -> bool:
        """Take the next member; False where that one has ended."""
        if self._execution < len(self._opening):
            member = self._members[self._opening[self._execution]]
        else:
            member = min(self._members.values(), key=lambda m: (m.ended, m.spent))
        if member.ended:
            member = min(self._members.values(), key=lambda m: (m.ended, m.spent))
        self._current = member
        if not member.strategy.begin(member.executions):
            member.ended = True
            self._exhausted |= bool(getattr(member.strategy, "complete", False))
            return False
        member.executions += 1
        return True

    def _learn(self) -> None:
        """From the last execution, once."""
        if self._learned == self._execution:
            return
        self._learned = self._execution
        member = self._current
        if self._reads is not None:
            self._rff.learn_from(self._reads)
        else:
            self._rff.learn()
        is_new = self._coverer.count()
        member.news += _LATELY * (is_new - member.news)
        if self._execution >= len(self._opening):
            has_plan = member.name != "rff" or self._rff.planned
            share = member.share if has_plan else 1.0
            member.spent += 1.0 / (share * (_LEAST + member.news))
