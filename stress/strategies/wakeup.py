"""Wakeup trees: the executions that are still to be made after some steps, as a tree of tasks.

Abdulla, Aronis, Jonsson, Sagonas: "Source sets: a foundation for optimal dynamic partial order
reduction", JACM 2017, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stress.strategies.happens_before import Effects, Step, independent


class Branch:
    """A step that is to be made, and what is to come after it, first things first."""

    __slots__ = ("after", "effects", "numbered", "step", "woken")

    def __init__(self, step: Step, numbered: int) -> None:
        self.step = step
        self.after: list[Branch] = []
        #: What it touches. Objects up to the number `numbered` have the same one in all executions
        #: that come to where the branch was planned.
        self.effects = step.effects
        self.numbered = numbered
        #: Tasks of earlier branches of which it is not known whether they would lead to the same:
        #: then it must be made whatever they lead to.
        self.woken: set[int] = set()

    @property
    def is_known(self) -> bool:
        """Whether any of those executions would call what it touches by the same numbers."""
        return all(effect.subject <= self.numbered for effect in self.effects)


#: The step of the same name in the execution that is planned after; None where it has none.
Known = Callable[[Step], "Step | None"]


def insert(branches: list[Branch], steps: Sequence[Step], known: Known, numbered: int) -> bool:
    """Have `steps`, of a known execution, made after the point where these branches begin; False
    where a branch leads to an equivalent execution already. `numbered` objects have a number there.

    Of a branch that must be passed over since it is not known what it touches, the task is woken
    in what comes after it. The paper does not need that: it can ask what any task would do.
    """
    left = list(steps)
    #: Tasks that may do something else there than in the execution that is known.
    strangers: set[int] = set()
    while True:
        passed: set[int] = set()
        for branch in branches:
            first = branch.step
            effects = branch.effects if branch.is_known else None
            same = known(first)
            if effects is None and same is not None and first.task not in strangers:
                effects = same.effects
            rest = _after(first, effects, left)
            if rest is not None:
                break
            if effects is None:
                passed.add(first.task)
        else:
            for step in left:
                grown = Branch(step, numbered)
                grown.woken, passed = passed, set()
                branches.append(grown)
                branches = grown.after
            return bool(left)
        branch.woken |= passed
        if not branch.after:
            return False
        if len(rest) == len(left) and (strangers or same is None or not same.is_like(first)):
            strangers.add(first.task)
        branches, left = branch.after, rest


def is_initial(task: int, effects: Effects | None, steps: Sequence[Step]) -> bool:
    """Whether the next operation of a task can come before all of these steps, its own included,
    and they still lead to an equivalent execution: it is a weak initial of theirs."""
    for place, step in enumerate(steps):
        if step.task == task:
            return not any(earlier.before(step) for earlier in steps[:place])
    return effects is not None and all(independent(effects, step.effects) for step in steps)


def _after(first: Step, effects: Effects | None, steps: list[Step]) -> list[Step] | None:
    """What is left of the steps where `first` comes before them; None where it cannot, or where
    that is not known."""
    for place, step in enumerate(steps):
        if step.task == first.task:
            if any(earlier.before(step) for earlier in steps[:place]):
                return None
            return steps[:place] + steps[place + 1 :]
    if effects is None or not all(independent(effects, step.effects) for step in steps):
        return None
    return steps
