"""Optimal dynamic partial order reduction: one execution for each order of the conflicting steps.

Abdulla, Aronis, Jonsson, Sagonas: "Source sets: a foundation for optimal dynamic partial order
reduction", JACM 2017, algorithm 2. Executions that differ only in the order of steps that do not
conflict are equivalent (Mazurkiewicz); of each class one is made, and when there is none left, all
interleavings were explored.

It departs from the paper in four things. Locks are in the happens-before order as it says there in
section 10, and so are conditions; of what else tasks may wait for (permits, queues) it is not known
whether it was there before somebody gave it, so that it may plan an execution that then cannot be
had, and executes another one. Objects have numbers, which are not the same ones in all executions;
where a task does what it did in none that is at hand, it may be that nobody can say what that
touches, and then a class may be executed twice, but none is missed. Time passes only when nothing
is ready, and orders all before and after. Of tasks that spin, that ask whether another one is
alive, or that nobody waits for, it does not claim to have explored everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.conflicts import effects_of
from stress.errors import ScheduleDiverged
from stress.strategies.happens_before import Effects, Order, Step, independent
from stress.strategies.wakeup import Branch, insert, is_initial
from stress.strategy import Pending


class _Node:
    """A point of the execution that is under way."""

    __slots__ = ("asleep", "branches", "effects", "numbered", "task", "woken")

    def __init__(self, effects: dict[int, Effects], asleep: set[int], numbered: int) -> None:
        #: Who goes on here.
        self.task = -1
        #: What each ready task is about to touch.
        self.effects = effects
        #: So many objects have a number, the same one in every execution that comes here.
        self.numbered = numbered
        #: Whoever went on from here before leads to nothing new; nor do those of earlier points
        #: that nothing since conflicts with.
        self.asleep = asleep
        #: Those of them that are awake in the execution that is under way.
        self.woken: set[int] = set()
        #: What is to be executed from here, first things first.
        self.branches: list[Branch] = []


class DPOR:
    """A strategy that ends. It draws nothing at random: the seed is of no consequence."""

    every_step = True
    sampled = 0

    def __init__(self, seed: int = 0) -> None:
        self._exact = True
        self._ended = False
        self._execution = -1
        self._path: list[_Node] = []
        #: So many nodes of the path are those of the execution before.
        self._known = 0
        #: Of the execution that is under way.
        self._order = Order()
        self._effects: dict[int, Effects] = {}
        self._numbered = 0
        self._planned: list[Branch] = []
        self._redundant = False
        #: Executions that turned out to be equivalent to an earlier one.
        self.redundant = 0

    @property
    def complete(self) -> bool:
        """Whether there is no other execution than those that were made."""
        return self._ended and self._exact

    def begin(self, execution: int) -> bool:
        """Plan what the races of the execution before call for, and take up the next plan."""
        if execution != self._execution:
            if self._execution >= 0:
                if self._redundant:
                    self.redundant += 1
                else:
                    self._plan()
                if not self._take_up():
                    self._ended = True
                    return False
            self._execution = execution
        del self._path[self._known :]
        self._order, self._effects, self._numbered = Order(), {}, 0
        self._planned, self._redundant = [], False
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As planned; where nothing is, the running task as long as that leads to something new."""
        order, effects = self._order, self._effects
        for task in order.see(ready, pending):
            effects[task] = effects_of(pending[task])
            for effect in effects[task]:
                if effect.subject > self._numbered:
                    self._numbered = effect.subject
            if (
                pending[task].site.kind == "is alive"
                or pending[task].yielding
                or pending[task].daemon
            ):
                self._exact = False
        if not ready:
            for waiting in pending:
                if waiting.waits:
                    order.block(waiting, effects_of(waiting))
            return 0
        place = len(order.steps)
        if place < self._known:
            node = self._path[place]
            if node.task not in ready:
                raise ScheduleDiverged(
                    f"step {place}: task {node.task} went on in an earlier execution, and now the "
                    f"ready tasks are {list(ready)}: the program does not do the same twice"
                )
            if place == self._known - 1 and node.branches:
                self._planned = node.branches[0].after
        else:
            node = self._go_on(ready, current)
        order.add(pending[node.task], effects[node.task])
        return node.task

    def _go_on(self, ready: Sequence[int], current: int | None) -> _Node:
        """A new point, and who goes on there."""
        effects = self._effects
        node = _Node({t: effects[t] for t in ready}, self._sleep(ready), self._numbered)
        node.branches = [branch for branch in self._planned if branch.step.task in node.effects]
        for branch in node.branches:
            branch.effects, branch.numbered = effects[branch.step.task], self._numbered
        self._path.append(node)
        if not node.branches:
            awake = [task for task in ready if task not in node.asleep]
            if not awake:
                self._redundant = True
                awake = list(ready)
            node.task = current if current is not None and current in awake else awake[0]
            self._planned = []
        else:
            first = node.branches[0]
            node.task, node.woken, self._planned = first.step.task, first.woken, first.after
        return node

    def _sleep(self, ready: Sequence[int]) -> set[int]:
        """Who sleeps at a new point: who did before, and whom the last step is no matter to."""
        if not self._path:
            return set()
        before = self._path[-1]
        made = before.effects[before.task]
        return {
            task
            for task in before.asleep - before.woken
            if task != before.task and independent(before.effects[task], made)
        } & set(ready)

    def _plan(self) -> None:
        """Have each race of the execution reversed that no execution reverses yet."""
        order = self._order
        steps = order.steps
        by_name = {(step.task, step.count): step for step in (*steps, *order.blocked)}

        def known(planned: Step) -> Step | None:
            same = by_name.get((planned.task, planned.count))
            return same if same is not None and same.site is planned.site else None

        for first, _, late in sorted(order.races, key=lambda race: race[:2]):
            node, early = self._path[first], steps[first]
            sequence = [step for step in steps[first + 1 :] if not early.before(step)]
            sequence.append(late)
            if any(is_initial(task, node.effects[task], sequence) for task in node.asleep):
                continue

            if not node.branches:
                node.branches.append(Branch(early, node.numbered))
            insert(node.branches, sequence, known, node.numbered)

    def _take_up(self) -> bool:
        """Go back to the last point from which something is planned; False where there is none."""
        path = self._path
        while path:
            node = path[-1]
            node.asleep.add(node.task)
            del node.branches[:1]
            node.branches = [b for b in node.branches if b.step.task in node.effects]
            if node.branches:
                node.task = node.branches[0].step.task
                node.woken = node.branches[0].woken
                self._known = len(path)
                return True
            path.pop()
        return False
