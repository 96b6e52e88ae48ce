"""Wakeup trees: the executions that are still to be made after some steps, as a tree of tasks.

Abdulla, Aronis, Jonsson, Sagonas: "Source sets: a foundation for optimal dynamic partial order
reduction", JACM 2017, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stress.strategies.happens_before import Effects, Step, independent

#: What the next operation of a task touches, as a known execution says; None where none does.
Known = Callable[[Step], "Effects | None"]


class Branch:
    """A step that is to be made, and what is to come after it, first things first."""

    __slots__ = ("after", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.after: list[Branch] = []


def insert(branches: list[Branch], steps: Sequence[Step], known: Known) -> bool:
    """Have `steps`, of a known execution, made after the point where these branches begin; False
    where a branch leads to an equivalent execution already.

    `known` gives the effects of a step of a branch by the names of the execution that `steps` are
    of; where it is not in there, nothing is taken to be equivalent.
    """
    left = list(steps)
    while True:
        for branch in branches:
            rest = _after(branch.step, left, known)
            if rest is not None:
                break
        else:
            for step in left:
                grown = Branch(step)
                branches.append(grown)
                branches = grown.after
            return bool(left)
        if not branch.after:
            return False
        branches, left = branch.after, rest


def is_initial(task: int, effects: Effects | None, steps: Sequence[Step]) -> bool:
    """Whether the next operation of a task can come before all of these steps, its own included,
    and they still lead to an equivalent execution: it is a weak initial of theirs."""
    for place, step in enumerate(steps):
        if step.task == task:
            return not any(earlier.before(step) for earlier in steps[:place])
    return effects is not None and all(independent(effects, step.effects) for step in steps)


def _after(first: Step, steps: list[Step], known: Known) -> list[Step] | None:
    """What is left of the steps where `first` comes before them; None where it cannot."""
    for place, step in enumerate(steps):
        if step.task == first.task:
            if any(earlier.before(step) for earlier in steps[:place]):
                return None
            return steps[:place] + steps[place + 1 :]
    effects = known(first)
    if effects is None or not all(independent(effects, step.effects) for step in steps):
        return None
    return steps
