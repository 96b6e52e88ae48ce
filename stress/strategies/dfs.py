"""Systematic search, simple interleavings first: every one once, by fewest preemptions or delays.

Musuvathi, Qadeer: "Iterative context bounding for systematic testing of multithreaded programs",
PLDI 2007; Emmi, Qadeer, Rakamarić: "Delay-bounded scheduling", POPL 2011; both compared in Thomson,
Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016. Most bugs need few
preemptions, and few executions have few of them. Where there are many tasks, even those without one
are many: who goes on where one ends is free. A delay is what it costs to pass over a task whose
turn it is, also there.

It departs from the papers in that nothing is executed twice: what a bound forbids is kept for
later, as a node of the tree of choices, and taken up when everything that costs less is done. When
nothing is kept any more, all interleavings were executed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from stress.errors import ScheduleDiverged
from stress.strategy import Pending

#: So many choices that were not tried are kept; beyond that the search is not complete any more.
KEPT_MAX = 1_000_000


class _Node:
    """A choice after other choices."""

    __slots__ = ("chosen", "parent")

    def __init__(self, parent: _Node | None, chosen: int) -> None:
        self.parent = parent
        self.chosen = chosen


class DFS:
    """A strategy that ends: by fewest preemptions, or by fewest delays. It draws nothing at random:
    the seed is of no consequence."""

    sampled = 0

    def __init__(self, seed: int = 0, kept_max: int = KEPT_MAX, *, delays: bool = False) -> None:
        self._delays = delays
        #: By what it costs, what was not tried yet; deepest last.
        self._kept: list[list[_Node]] = [[]]
        self._kept_max = kept_max
        self._count = 0
        #: Of the execution that is under way.
        self._new: list[tuple[int, _Node]] = []
        self._kept_all, self._ended = True, False
        self._execution = -1
        self._prefix: list[int] = []
        self._step = 0
        self._node: _Node | None = None
        self._cost = 0
        self._last = 0

    @property
    def complete(self) -> bool:
        """Whether it has come to its end, and tried everything."""
        return self._ended and self._kept_all

    def begin(self, execution: int) -> bool:
        """Take up the next choice that was not tried; False where there is none."""
        if execution != self._execution:
            self._keep_new()
            if self._execution >= 0 and not self._take_up():
                self._ended = True
                return False
            self._execution = execution
        # What an execution saw that was cut short, and is begun anew, it sees again.
        self._new.clear()
        self._step = self._cost = self._last = 0
        self._node = None
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the prefix says; after it the running task as long as it can."""
        turns = self._in_turn(ready, current)
        if self._step < len(self._prefix):
            chosen = self._prefix[self._step]
            if chosen not in ready:
                raise ScheduleDiverged(
                    f"choice {self._step}: task {chosen} went on in an earlier execution, and now "
                    f"the ready tasks are {list(ready)}: the program does not do the same twice"
                )
        else:
            chosen = turns[0]
            for place in range(len(turns) - 1, 0, -1):
                node = _Node(self._node, turns[place])
                self._new.append((self._cost + self._price(place, current), node))
        self._cost += self._price(turns.index(chosen), current)
        self._node = _Node(self._node, chosen)
        self._step += 1
        self._last = chosen
        return chosen

    def _in_turn(self, ready: Sequence[int], current: int | None) -> Sequence[int]:
        """The ready tasks, who goes on where nothing is decided first."""
        if not self._delays:
            rest = [task for task in ready if task != current]
            return rest if current is None else [current, *rest]
        # Round and round.
        place = bisect_left(ready, self._last if current is None else current)
        return [*ready[place:], *ready[:place]]

    def _price(self, place: int, current: int | None) -> int:
        return place if self._delays else int(place > 0 and current is not None)

    def _keep_new(self) -> None:
        for cost, node in self._new:
            if self._count >= self._kept_max:
                self._kept_all = False
                return
            while len(self._kept) <= cost:
                self._kept.append([])
            self._kept[cost].append(node)
            self._count += 1

    def _take_up(self) -> bool:
        for kept in self._kept:
            if kept:
                node: _Node | None = kept.pop()
                self._count -= 1
                self._prefix = []
                while node is not None:
                    self._prefix.append(node.chosen)
                    node = node.parent
                self._prefix.reverse()
                return True
        return False
