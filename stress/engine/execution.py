"""One controlled execution: tasks on greenlets, one at a time, a strategy between their steps.

Every operation that another task could see is a scheduling point: the task says what it is about
to do, the strategy says who goes on. A task that waits leaves the ready list and comes back when
what it waits for has changed; when nobody is ready, the clock moves to the next deadline, and
where there is none, that is a deadlock.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import greenlet

from stress.engine.outcome import Ending, Failure, Outcome, Wait
from stress.strategy import Pending

#: Identifiers of tasks, far from those that the system gives to threads.
_FIRST_IDENT = 1 << 52
#: How often an aborted task is told so before it is left alone.
_ABORT_TRIES = 100


class Aborted(BaseException):
    """Unwinds a task of an execution that is over."""


class Subject(Protocol):
    """What tasks wait for. `owner` is the task that can end the wait, where one can."""

    @property
    def owner(self) -> Task | None: ...


class Task:
    """A thread of the program, on a greenlet."""

    __slots__ = (
        "aborted", "daemon", "deadline", "ending", "ident", "number", "pending", "starter",
        "subject", "switch", "timed_out", "unit",
    )  # fmt: skip

    def __init__(self, number: int, ident: int, unit: Any, daemon: bool) -> None:
        self.number = number
        self.ident = ident
        self.unit = unit
        self.switch: Callable[[], object] = unit.switch
        self.daemon = daemon
        self.pending = Pending(number, "begin", 0)
        self.subject: Subject | None = None
        self.deadline: float | None = None
        self.timed_out = False
        self.aborted = 0
        self.starter: Task | None = None
        self.ending: list[Callable[[], None]] = []


class Execution:
    """The state of one execution, and the only one who changes it. Runs once."""

    def __init__(
        self, choose: Callable[[Sequence[Pending], int | None], int], step_limit: int
    ) -> None:
        self.clock_s = 0.0
        self.aborting = False
        self.failures: list[Failure] = []
        self._choose = choose
        self._step_limit = step_limit
        self._steps = self._context_switches = self._preemptions = 0
        self._choices: list[tuple[int, str, tuple[int, ...]]] = []
        self._tasks: list[Task] = []
        # The ready tasks by number, and in step with them what a strategy sees.
        self._ready: list[Task] = []
        self._pending: list[Pending] = []
        self._numbers: tuple[int, ...] = ()
        self._alive = 0
        self._timers: list[tuple[float, int, Task]] = []
        self._timer_numbers = itertools.count()
        # Number and object by id: held, so that no other object can come to have its id.
        self._subjects: dict[int, tuple[int, object]] = {id(None): (0, None)}
        self._hub: Any = None
        self._ending = Ending.FINISHED
        self._waits: tuple[Wait, ...] = ()
        self._error: BaseException | None = None
        self.current: Task | None = None

    # -- what tasks call ------------------------------------------------------------------------

    def spawn(
        self, function: Callable[..., object], *arguments: Any, ident: int = 0, daemon: bool = False
    ) -> Task:
        """Make a ready task; it runs when it is chosen."""
        number = len(self._tasks)
        unit = greenlet.greenlet(None, self._hub)
        task = Task(number, ident or _FIRST_IDENT + number, unit, daemon)
        unit.run = lambda: self._run_task(task, function, arguments)
        self._tasks.append(task)
        self._alive += not daemon
        self._make_ready(task)
        return task

    def start(self, task: Task) -> None:
        """Run a new task up to its `begun`, and no other meanwhile: a start is one step."""
        starter = self.running()
        task.starter, self.current = starter, task
        task.switch()
        if self.aborting:
            self._unwind()

    def begun(self) -> None:
        """Back to who started the running task, where that waits in `start`."""
        task = self.running()
        starter, task.starter = task.starter, None
        if starter is not None:
            self.current = starter
            starter.switch()
            if self.aborting:
                self._unwind()

    def point(self, kind: str, subject: object = None) -> None:
        """A scheduling point: the running task is about to do this, and anybody may go first."""
        if self.aborting:
            self._unwind()
        task = self.current
        assert task is not None
        # `_announce` and `_switch`, written out: this is the hot path.
        self._steps = steps = self._steps + 1
        if steps > self._step_limit:
            self._exceed()
        pending = task.pending
        pending.kind = kind
        known = self._subjects.get(id(subject))
        pending.subject = known[0] if known is not None else self._number(subject)
        if len(self._ready) == 1:
            return
        chosen = self._take(task.number)
        if chosen is None:
            self._leave()
            return
        self.current = chosen
        if chosen is task:
            return
        self._preemptions += 1
        self._context_switches += 1
        chosen.switch()
        if self.aborting:
            self._unwind()

    def wait(self, kind: str, subject: Subject | None, timeout_s: float | None = None) -> bool:
        """Leave the ready list until `wake`, or until the clock is there; False in that case."""
        task = self.running()
        self._announce(task, kind, subject)
        task.subject, task.timed_out, task.deadline = subject, False, None
        if timeout_s is not None:
            task.deadline = self.clock_s + max(timeout_s, 0.0)
            heapq.heappush(self._timers, (task.deadline, next(self._timer_numbers), task))
        self._unready(task)
        if self._ready:
            self._switch(self._take(None))
        else:
            self._leave()
        return not task.timed_out

    def wake(self, task: Task) -> None:
        """Make a waiting task ready."""
        task.subject = task.deadline = None
        self._make_ready(task)

    def running(self) -> Task:
        """The task that runs. Raises Aborted in every task of an execution that is over."""
        if self.aborting:
            self._unwind()
        assert self.current is not None
        return self.current

    # -- the run --------------------------------------------------------------------------------

    def run(self, program: Callable[[], object], ident: int) -> Outcome:
        """Run `program` as task 0 with this identifier, to the end of all tasks.

        Raises what the strategy raises.
        """
        self._hub = greenlet.getcurrent()
        self.spawn(program, ident=ident)
        try:
            while self._alive and (task := self._next()):
                self.current = task
                task.switch()
        finally:
            self._abort()
        if self._error is not None:
            raise self._error
        return Outcome(
            ending=self._ending,
            failures=tuple(self.failures),
            waits=self._waits,
            taken=tuple(self._choices),
            tasks=len(self._tasks),
            steps=self._steps,
            context_switches=self._context_switches,
            preemptions=self._preemptions,
            clock_s=self.clock_s,
        )

    def _next(self) -> Task | None:
        if self._error is not None or self._ending is not Ending.FINISHED:
            return None
        while not self._ready and self._timers:
            deadline, _, task = heapq.heappop(self._timers)
            if task.deadline == deadline:
                self.clock_s = max(self.clock_s, deadline)
                self.wake(task)
                task.timed_out = True
        if not self._ready:
            self._ending = Ending.DEADLOCK
            self._waits = tuple(self._wait_of(task) for task in self._tasks if not task.unit.dead)
            return None
        return self._take(None)

    def _wait_of(self, task: Task) -> Wait:
        owner = task.subject.owner if task.subject is not None else None
        holder = None if owner is None else owner.number
        return Wait(task.number, task.pending.kind, task.pending.subject, holder)

    def _take(self, current: int | None) -> Task | None:
        """Ask the strategy, and record a real choice; None where the strategy failed."""
        ready = self._ready
        if len(ready) == 1:
            return ready[0]
        # Nobody runs meanwhile: what the strategy touches is no access of the program.
        self.current = None
        try:
            task = ready[self._choose(self._pending, current)]
        except BaseException as error:
            # It is nobody's failure in the program: it must not come up through a task.
            self._error = error
            return None
        numbers = self._numbers
        if not numbers:
            numbers = self._numbers = tuple([task.number for task in ready])
        self._choices.append((task.number, task.pending.kind, numbers))
        return task

    def _switch(self, task: Task | None) -> None:
        if task is None:
            self._leave()
            return
        self._context_switches += 1
        self.current = task
        task.switch()
        if self.aborting:
            self._unwind()

    def _leave(self) -> None:
        """Give up the turn where no task can be given it: the clock moves, or all is over."""
        self._hub.switch()
        if self.aborting:
            self._unwind()

    def _announce(self, task: Task, kind: str, subject: object) -> None:
        self._steps += 1
        if self._steps > self._step_limit:
            self._exceed()
        task.pending.kind = kind
        task.pending.subject = self._number(subject)

    def _exceed(self) -> None:
        self._ending = Ending.STEP_LIMIT
        self._leave()

    def _number(self, subject: object) -> int:
        known = self._subjects.get(id(subject))
        if known is None:
            known = self._subjects[id(subject)] = len(self._subjects), subject
        return known[0]

    def _make_ready(self, task: Task) -> None:
        at = bisect.bisect(self._ready, task.number, key=lambda ready: ready.number)
        self._ready.insert(at, task)
        self._pending.insert(at, task.pending)
        self._numbers = ()

    def _unready(self, task: Task) -> None:
        at = self._ready.index(task)
        del self._ready[at], self._pending[at]
        self._numbers = ()

    # -- the end of tasks -----------------------------------------------------------------------

    def _run_task(
        self, task: Task, function: Callable[..., object], arguments: tuple[Any, ...]
    ) -> None:
        try:
            if not self.aborting:
                function(*arguments)
        except (Aborted, SystemExit):
            pass
        except BaseException as error:
            # What comes up while a task is unwound is not the program's doing.
            if not self.aborting:
                self.failures.append(Failure(task.number, error))
        if not self.aborting:
            self._unready(task)
            self._alive -= not task.daemon
            for end in task.ending:
                end()

    def _unwind(self) -> None:
        """End the running task of an execution that is over."""
        task = self.current
        assert task is not None
        task.aborted += 1
        if task.aborted > _ABORT_TRIES:
            # It catches everything and goes on: it is parked here for good.
            self._hub.switch()
        raise Aborted

    def _abort(self) -> None:
        """Unwind every task that is left, also through handlers that catch everything."""
        self.aborting = True
        for task in self._tasks:
            if not task.unit.dead:
                self.current = task
                task.switch()
        self.current = None
