"""Fork and join: workers that begin together, and one step that comes when all are over.

What `check_threads` runs. Started one by one, threads of the same right would cost two scheduling
points each, at which nothing happens that a first step of theirs would not show. Of its
`threading.Thread` a worker is in need when somebody asks for it, and few do: then it is made.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from stress.engine import handles, threads
from stress.engine.context import controlled
from stress.engine.execution import Execution
from stress.engine.task import Task

#: What is called, and the name of its thread.
Workers = Sequence[tuple[Callable[[Any], object], str]]


class _Crew:
    """The gate of who waits for all of them."""

    __slots__ = ("argument", "execution", "first", "left", "waiters", "workers")

    def __init__(self, execution: Execution, workers: Workers, argument: Any) -> None:
        self.execution = execution
        self.workers = workers
        self.argument = argument
        self.first = len(execution.tasks)
        self.left = len(workers)
        self.waiters: list[int] = []

    @property
    def owner(self) -> Task | None:
        """One who is waited for."""
        tasks = self.execution.tasks[self.first : self.first + len(self.workers)]
        return next((task for task in tasks if task.alive), None)

    @property
    def members(self) -> Sequence[int]:
        """Who must be over before it is open."""
        return range(self.first, self.first + len(self.workers))

    def name_of(self, task: Task) -> str:
        """The name of its thread."""
        return self.workers[task.number - self.first][1]

    def make_thread(self, task: Task) -> Any:
        """The `threading.Thread` that a task is."""
        worker, name = self.workers[task.number - self.first]
        thread = threading.Thread(target=worker, args=(self.argument,), name=name, daemon=False)
        threads.adopt(task, thread)
        return thread

    def failed(self, task: Task, error: BaseException) -> None:
        """This is handled, and left a worker: the hook that is in place is told, as by a thread."""
        thread = task.thread or self.make_thread(task)
        thread._invoke_excepthook(thread)

    def one_is_over(self) -> None:
        """Called at the end of each."""
        self.left -= 1
        if not self.left:
            self.execution.open(self)


def fork_join(workers: Workers, argument: Any) -> None:
    """Call each worker with the argument, in a thread of that name; returns when all are over."""
    mine = controlled()
    if mine is None:
        made = [
            threading.Thread(target=worker, args=(argument,), name=name) for worker, name in workers
        ]
        for thread in made:
            thread.start()
        for thread in made:
            thread.join()
        return
    execution, task = mine
    crew = _Crew(execution, workers, argument)
    names = threading.__dict__
    hooks = names["_trace_hook"], names["_profile_hook"]
    for worker, _ in workers:
        if hooks != (None, None):
            worker = partial(_traced, hooks, worker)
        execution.spawn(partial(worker, argument)).crew = crew
    crew.waiters.append(task.number)
    execution.park(handles.JOIN, crew)


def _traced(hooks: tuple[Any, Any], worker: Callable[[Any], object], argument: Any) -> None:
    trace, profile = hooks
    if trace:
        sys.settrace(trace)
    if profile:
        sys.setprofile(profile)
    worker(argument)
