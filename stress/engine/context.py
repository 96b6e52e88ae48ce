"""The one execution that runs in this process, for the models that programs call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stress.engine.execution import Execution
from stress.errors import InvalidArgument


class Context:
    """The one object of the engine that outlives an execution: which one runs, if any."""

    __slots__ = ("execution",)

    def __init__(self) -> None:
        self.execution: Execution | None = None


context = Context()


@contextmanager
def running(execution: Execution) -> Iterator[None]:
    """Make `execution` the one that runs. Raises InvalidArgument where there is one already."""
    if context.execution is not None:
        raise InvalidArgument(
            "a controlled execution runs already; an explored program cannot explore another"
        )
    context.execution = execution
    try:
        yield
    finally:
        context.execution = None


def running_execution() -> Execution:
    """The execution that runs. Raises RuntimeError, explaining itself, where none does."""
    execution = context.execution
    if execution is None:
        raise RuntimeError(
            "this lock was made in a controlled execution that is over; make it anew"
        )
    return execution
