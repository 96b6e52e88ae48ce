"""Tasks without a program: lists of steps, executed under a strategy, thousands in a second."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stress.site import Site
from stress.strategy import Pending, Strategy


@dataclass(frozen=True)
class Step:
    """An operation on an object, by number; of a "start", that is the task which then comes."""

    kind: str
    subject: int
    name: str = ""


@functools.cache
def site_of(step: Step) -> Site:
    """Where it stands: equal steps are the same code."""
    return Site(step.kind, step.name, "", "", "", 0, 0)


_BEGIN = Step("begin", 0)


class _Numbers:
    def number(self, subject: object) -> int:
        return subject if isinstance(subject, int) else 0


Tasks = Sequence[Sequence[Step]]
Order = list[tuple[int, int]]


def execute(strategy: Strategy, number: int, tasks: Tasks) -> Order:
    """Task and index of each step, in the order in which they were made."""
    assert strategy.begin(number)
    done = [0] * len(tasks)
    numbers = _Numbers()
    started = {step.subject for steps in tasks for step in steps if step.kind == "start"}
    born = [task for task in range(len(tasks)) if task not in started]
    pending = [Pending(task, site_of(_BEGIN), numbers) for task in born]
    order: Order = []
    current: int | None = None
    while ready := [task for task in born if done[task] < len(tasks[task])]:
        for task in ready:
            step = tasks[task][done[task]]
            pending[task].site = site_of(step)
            pending[task].object = step.subject
        if len(ready) > 1:
            chosen = strategy.choose(ready, pending, current if current in ready else None)
            assert chosen in ready
        else:
            chosen = ready[0]
        order.append((chosen, done[chosen]))
        step = tasks[chosen][done[chosen]]
        if step.kind == "start":
            assert step.subject == len(born), "tasks are numbered as they come"
            born.append(step.subject)
            pending.append(Pending(step.subject, site_of(_BEGIN), numbers))
        done[chosen] += 1
        current = chosen
    return order


def share(
    strategy: Strategy, tasks: Tasks, happens: Callable[[Order], bool], executions: int
) -> float:
    """In what share of the executions it happens."""
    return (
        sum(happens(execute(strategy, number, tasks)) for number in range(executions)) / executions
    )
