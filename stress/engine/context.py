"""The one execution that runs in this process, for the models that programs call."""

from __future__ import annotations

import _thread
import functools
from collections.abc import Callable
from typing import Any

from stress.engine.execution import Execution
from stress.engine.holders import Holders
from stress.engine.outcome import Unclosed
from stress.engine.task import Task
from stress.living import Living

_IDENT = _thread.get_ident


class Context:
    """The one object of the engine that outlives an execution: which one runs, if any.

    `guarded` is set where other threads of the process run beside the exploration: then who asks
    has to show that it is a task.
    """

    __slots__ = (
        "collector_rests", "execution", "guarded", "holders", "in_session", "left", "living",
        "unclosed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.execution: Execution | None = None
        self.guarded = False
        self.in_session = False
        self.collector_rests = False
        #: So many objects explorations have left since they were last collected.
        self.left = 0
        #: What tasks of this execution let go without closing it, where somebody listens.
        self.unclosed: list[Unclosed] = []
        #: What is known of the process from one to the next.
        self.living = Living()
        self.holders = Holders()


context = Context()


def controlled() -> tuple[Execution, Task] | None:
    """The execution and its running task, where the caller is that task; None elsewhere."""
    execution = context.execution
    if execution is None:
        return None
    # Read once: for a thread that is no task it may change at any moment.
    task = execution.current
    if task is None or (context.guarded and _IDENT() != task.unit.ident):
        return None
    return execution, task


def running() -> tuple[Execution, Task]:
    """`controlled`, for code that only a task can have come to."""
    execution = context.execution
    assert execution is not None
    assert execution.current is not None
    return execution, execution.current


def stands_for(real: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a model that hands on to `real` itself where no task calls: it is called the same."""
    return lambda model: functools.update_wrapper(model, real)


def only_when_controlled(model: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is `model` for tasks and `real` for everybody else."""

    @functools.wraps(real)
    def either(*args: Any, **kwargs: Any) -> Any:
        if controlled() is None:
            return real(*args, **kwargs)
        return model(*args, **kwargs)

    return either
