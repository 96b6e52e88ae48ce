"""The end of an execution before its tasks are done: each is unwound, through `except:` too."""

from __future__ import annotations

from typing import Any, NoReturn

from stress.engine.task import Aborted, Task

#: Points that a task passes silently while it is unwound, so that its cleaning up succeeds; and
#: how often it is told after that.
SILENT_POINTS, ABORT_TRIES = 1_000, 1_000


#: Operations that end what was begun: their kinds, and the names of methods.
_FINISHING, _CLOSING = frozenset({"exit", "release"}), frozenset({"close", "release"})


class Unwinding:
    """Gives every task that is left the turn once more, and raises Aborted in it."""

    def __init__(self, execution: Any) -> None:
        self._execution = execution
        self._done = 0
        #: The numbers of the tasks that could not be unwound.
        self.stuck: list[int] = []

    def next(self) -> Task | None:
        """Who has the turn now; None where all are done."""
        execution = self._execution
        while self._done < len(execution.tasks):
            task = execution.tasks[self._done]
            if execution.outside is not None and execution.outside.is_lost(task):
                self.give_up(task)
            elif task.alive and task.started:
                return task  # type: ignore[no-any-return]
            elif task.alive:
                task.alive = False
                execution.carrier.forget(task.unit)
                for end in task.ending:
                    end()
            self._done += 1
        return None

    def pass_point(self, task: Task) -> None:
        """A task that is unwound comes to a point: silently at first."""
        task.silent += 1
        if task.silent > SILENT_POINTS:
            self.tell(task)

    def tell_at_point(self, task: Task, must: bool = False) -> None:
        """Raise Aborted in a task that is about to do something, but let it clean up.

        What it was about to close or to release would else stay open for good. `must` is for who
        would wait.
        """
        site = task.pending.site
        finishing = site.kind in _FINISHING or (site.kind == "call" and site.name in _CLOSING)
        if must or not finishing or task.raised:
            self.tell(task)

    def tell(self, task: Task) -> NoReturn:
        """Raise Aborted. Who catches everything and goes on is left where it is, for good."""
        task.raised += 1
        if task.raised > ABORT_TRIES:
            execution = self._execution
            self.give_up(task)
            following = self.next()
            execution.current = following
            execution.unit_of(following).switch()
        raise Aborted

    def let_go(self) -> None:
        """All is over."""
        self._execution = None

    def give_up(self, task: Task) -> None:
        """Leave a task where it is."""
        self.stuck.append(task.number)
        task.alive = False
