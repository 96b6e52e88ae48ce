"""Tasks without a program: lists of steps, executed under a strategy, thousands in a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stress.site import Site
from stress.strategy import Pending, Strategy


@dataclass(frozen=True)
class Step:
    """An operation on an object, by number."""

    kind: str
    subject: int
    name: str = ""


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
    pending = [
        Pending(task, Site("begin", "", "", "", "", 0, 0), numbers) for task in range(len(tasks))
    ]
    order: Order = []
    current: int | None = None
    while ready := [task for task, steps in enumerate(tasks) if done[task] < len(steps)]:
        for task in ready:
            step = tasks[task][done[task]]
            pending[task].site = Site(step.kind, step.name, "", "", "", 0, 0)
            pending[task].object = step.subject
        if len(ready) > 1:
            chosen = strategy.choose(ready, pending, current if current in ready else None)
            assert chosen in ready
        else:
            chosen = ready[0]
        order.append((chosen, done[chosen]))
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
