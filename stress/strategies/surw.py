"""SURW, selectively uniform random walk: every order of the interesting operations is as likely.

Zhao, Wolff, Mathur, Roychoudhury: "Selectively uniform concurrency testing", ASPLOS 2025. One task
is intended to make the next interesting operation; it is drawn with a chance in proportion to the
interesting operations that each task has left, those of tasks included that it will start. Others
go on up to theirs, and wait there. Interesting are the operations on one shared place, another one
in each execution.

It departs from the paper in three things. There is no profiling phase: which operations are on the
same place is learned in executions 0, 1, 2, 4, 8 and so on, so that what comes up late has its
turn. In these the tasks run one after another, in a random order, so that what each does is seen
while others are there. How many operations a task has is the most that it ever had; who is about to
make one has one left, whatever was known. And, as it sees only choices, operations that one task
makes while no other is ready do not count: with nothing could they come in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from stress.conflicts import effect_of
from stress.site import Site
from stress.strategies.draws import Draws
from stress.strategies.sharing import Sharing
from stress.strategy import Pending


class SURW:
    """A strategy without an end."""

    def __init__(self, seed: int) -> None:
        self._draws = Draws(seed)
        self._execution = -1
        #: Where operations on the same place stand, of places that several tasks share.
        self._groups: list[set[Site]] = []
        #: The most operations that each task made at each site in an execution.
        self._most: dict[Site, Counter[int]] = {}
        #: Who started each task, where that was a choice; of others it is the first task.
        self._parents: dict[int, int] = {}
        # Of the execution that is under way.
        self._learns = True
        self._priorities: list[float] = []
        self._sharing = Sharing()
        self._made: dict[Site, Counter[int]] = {}
        self._interesting: set[Site] = set()
        self._left: Counter[int] = Counter()
        self._intended: int | None = None
        self._born = 0
        #: Who has just been chosen to start others.
        self._starter: int | None = None

    def begin(self, execution: int) -> bool:
        """Learn from the execution before, and draw which operations are interesting."""
        if execution != self._execution:
            self._learn()
            self._execution = execution
        self._draws.begin(execution)
        self._learns = execution & (execution - 1) == 0
        self._sharing, self._made, self._priorities = Sharing(), {}, []
        groups = self._groups
        self._interesting = groups[self._draws.below(len(groups))] if groups else set()
        self._left = Counter()
        for site in self._interesting:
            self._left.update(self._most.get(site, {}))
        self._intended, self._born, self._starter = None, 0, None
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """Any task that does not come before the intended one with something interesting."""
        if len(pending) > self._born:
            self._see_new(pending)
        chosen = self._learn_from(ready, pending) if self._learns else self._walk(ready, pending)
        site = pending[chosen].site
        self._made.setdefault(site, Counter())[chosen] += 1
        if site in self._interesting:
            self._left[chosen] = max(self._left[chosen] - 1, 0)
            self._intended = None
        self._starter = chosen if site.kind == "start" else None
        return chosen

    def _walk(self, ready: Sequence[int], pending: Sequence[Pending]) -> int:
        interesting = self._interesting
        if self._intended is None:
            self._intended = self._draw(range(self._born), pending)
        free = [t for t in ready if t == self._intended or pending[t].site not in interesting]
        if not free:
            # Who was intended cannot go on, or has ended.
            self._intended = self._draw(ready, pending)
            assert self._intended is not None, "all of them are about to"
            free = [self._intended]
        return free[self._draws.below(len(free))] if len(free) > 1 else free[0]

    def _learn_from(self, ready: Sequence[int], pending: Sequence[Pending]) -> int:
        """One task after another; what the others are about to do is seen as well."""
        while len(self._priorities) < len(pending):
            self._priorities.append(self._draws.fraction())
        for task in ready:
            self._sharing.look_at(task, pending[task].site, (effect_of(pending[task]),))
        return max(ready, key=self._priorities.__getitem__)

    def _see_new(self, pending: Sequence[Pending]) -> None:
        """Tasks have come: if their parent is intended, any of them is, by what they have left."""
        new = range(self._born, len(pending))
        parent = self._starter
        for task in new:
            if parent is not None:
                self._parents[task] = parent
        self._born = len(pending)
        if parent is not None and self._intended == parent:
            self._intended = self._draw((parent, *new), pending)

    def _draw(self, tasks: Sequence[int], pending: Sequence[Pending]) -> int | None:
        """One of them, by what it and those whom it will start have left; None: nothing is."""
        interesting = self._interesting
        weights = {task: max(self._left[task], pending[task].site in interesting) for task in tasks}
        for task, left in self._left.items():
            if task >= self._born:
                ancestor = task
                while ancestor >= self._born:
                    ancestor = self._parents.get(ancestor, 0)
                if ancestor in weights:
                    weights[ancestor] += left
        sums = list(accumulate(weights.values()))
        if not sums or not sums[-1]:
            return None
        drawn = self._draws.below(sums[-1])
        return next(task for task, end in zip(weights, sums, strict=True) if drawn < end)

    def _learn(self) -> None:
        """Keep what the execution before has shown."""
        for site, made in self._made.items():
            self._most[site] = self._most.get(site, Counter()) | made
        for sites in self._sharing.shared():
            self._join(sites)

    def _join(self, sites: set[Site]) -> None:
        """Operations at these sites are on the same place."""
        others = [group for group in self._groups if group.isdisjoint(sites)]
        if len(others) + 1 == len(self._groups):
            # As nearly always, nothing new, or new sites of the same place: it keeps its number.
            next(group for group in self._groups if not group.isdisjoint(sites)).update(sites)
            return
        joined = set(sites).union(*(g for g in self._groups if not g.isdisjoint(sites)))
        self._groups = [*others, joined]
