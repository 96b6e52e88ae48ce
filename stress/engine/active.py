"""The threads that are alive, as `threading` keeps them, in an exploration.

Not in the compiled core: there, a class derived from one of the interpreter ends without a word to
whoever refers to it weakly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stress.engine.context import context
from stress.engine.task import FIRST_IDENT


class Active(dict[int, Any]):
    """`threading._active` of an exploration: threads by identifier. Those of workers are made when
    they are looked for."""

    def __init__(self, real: dict[int, Any]) -> None:
        super().__init__(real)
        self._real = real

    def forget_tasks(self) -> None:
        """Between executions: threads that were begun in no ordinary way enter themselves."""
        if super().__len__() > 1:
            for ident in [ident for ident in super().__iter__() if ident >= FIRST_IDENT]:
                del self[ident]

    def give_back(self) -> None:
        """The exploration is over: the real one is told of threads that are not under control."""
        self.forget_tasks()
        for ident in set(self._real) - set(super().keys()):
            del self._real[ident]
        self._real.update(self)

    def __missing__(self, ident: Any) -> Any:
        execution = context.execution
        if execution is not None and isinstance(ident, int) and ident >= FIRST_IDENT:
            number = ident - FIRST_IDENT
            task = execution.tasks[min(number, len(execution.tasks) - 1)]
            if task.number == number and task.alive and task.crew is not None:
                return task.crew.make_thread(task)
        raise KeyError(ident)

    def _complete(self) -> None:
        execution = context.execution
        for task in () if execution is None else execution.tasks:
            if task.alive and task.thread is None and task.crew is not None:
                task.crew.make_thread(task)

    def __len__(self) -> int:
        self._complete()
        return super().__len__()

    def __iter__(self) -> Iterator[int]:
        self._complete()
        return super().__iter__()

    def __contains__(self, ident: object) -> bool:
        self._complete()
        return super().__contains__(ident)

    def get(self, ident: Any, default: Any = None) -> Any:
        """As of a dictionary; so are the others."""
        self._complete()
        return super().get(ident, default)

    def keys(self) -> Any:
        self._complete()
        return super().keys()

    def values(self) -> Any:
        self._complete()
        return super().values()

    def items(self) -> Any:
        self._complete()
        return super().items()
