"""The one execution that runs in this process, for the models that programs call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stress.engine.execution import Execution
from stress.errors import InvalidArgument

_running: list[Execution] = []


@contextmanager
def running(execution: Execution) -> Iterator[None]:
    """Make `execution` the one that runs. Raises InvalidArgument where there is one already."""
    if _running:
        raise InvalidArgument(
            "a controlled execution runs already; an explored program cannot explore another"
        )
    _running.append(execution)
    try:
        yield
    finally:
        _running.clear()


def running_or_none() -> Execution | None:
    """The execution that runs, if one does."""
    return _running[0] if _running else None


def running_execution() -> Execution:
    """The execution that runs. Raises RuntimeError, explaining itself, where none does."""
    if not _running:
        raise RuntimeError(
            "this lock was made in a controlled execution that is over; make it anew"
        )
    return _running[0]
