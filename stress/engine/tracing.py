"""`sys.settrace` and `sys.setprofile` for tasks: each task has functions of its own.

The interpreter keeps one per thread of the system, which many tasks may share, one after the other
or at the same time. So what it is given is a function that asks the running task for its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.execution import Execution
from stress.engine.task import Task

_ENGINE = __file__.rpartition("/")[0] + "/"
Function = Callable[[Any, str, Any], Any]


class Tracing:
    """One kind of such functions, "trace" or "profile", in one exploration."""

    def __init__(self, kind: str) -> None:
        self._set_name, self._get_name = f"set{kind}", f"get{kind}"
        self._all_name = f"_set{kind}allthreads"
        self._real_set: Callable[[Any], None] = getattr(sys, self._set_name)
        self._real_get: Callable[[], Any] = getattr(sys, self._get_name)
        #: From 3.12 on.
        self._real_set_all: Any = getattr(sys, self._all_name, None)
        #: What the explorer's own thread has.
        self._before = self._real_get()
        self._functions: dict[Task, Function | None] = {}
        self._execution: Execution | None = None

    def names(self) -> dict[str, Any]:
        """What stands for which name of the module `sys`."""
        return {
            self._set_name: self.set,
            self._get_name: self.get,
            self._all_name: self.set_all,
        }

    def set(self, function: Function | None, /) -> None:
        """For the running task."""
        mine = controlled()
        if mine is None:
            self._real_set(function)
            return
        execution, task = mine
        self._begin(execution)
        self._functions[task] = function
        self._real_set(self._dispatch)
        if task.number and execution.carrier.name != "greenlet":
            # The thread of the system is used again.
            task.ending.append(lambda: self._real_set(None))

    def get(self) -> Any:
        """Of the running task."""
        mine = controlled()
        if mine is None:
            return self._real_get()
        if self._execution is mine[0] and mine[1] in self._functions:
            return self._functions[mine[1]]
        # The first task goes on with what the explorer has.
        return None if mine[1].number else self._before

    def set_all(self, function: Function | None, /) -> None:
        """For all tasks that there are."""
        mine = controlled()
        if mine is None:
            self._real_set_all(function)
            return
        execution, _ = mine
        self.set(function)
        self._functions.update({task: function for task in execution.tasks if task.alive})
        if execution.carrier.name != "greenlet":
            self._real_set_all(self._dispatch)
            execution.opened.append(lambda: self._real_set_all(None))

    def _begin(self, execution: Execution) -> None:
        if self._execution is execution:
            return
        self._execution = execution
        self._functions.clear()
        execution.opened.append(self._end)

    def _end(self) -> None:
        self._functions.clear()
        self._execution = None
        self._real_set(self._before)

    def _dispatch(self, frame: Any, event: str, argument: Any) -> Any:
        execution = context.execution
        task = None if execution is None else execution.current
        function = None if task is None else self._functions.get(task)
        if function is None or frame.f_code.co_filename.startswith(_ENGINE):
            # Models stand for what is in C, where there is nothing to trace.
            return None
        return function(frame, event, argument)
