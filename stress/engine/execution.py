"""One controlled execution: one task at a time, and a strategy between their steps.

Every operation that another task could see is a scheduling point: the task says what it is about
to do, the strategy says who goes on. A task that cannot do what it is about to do (the lock is
held) is not ready, and so never chosen. When nobody is ready the clock moves to the next deadline;
where there is none, that is a deadlock.

There is no task that schedules: who gives up the turn chooses who has it next, and hands it over.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any

from stress.engine.carriers import Carrier
from stress.engine.outcome import Ending, Failure, Outcome
from stress.engine.recording import Recorder
from stress.engine.spinning import Watch
from stress.engine.task import Gate, Task
from stress.engine.timers import Timers
from stress.errors import InvalidArgument
from stress.site import Site
from stress.strategy import Pending

#: Chooses the next task: see `Strategy.choose`.
Choose = Callable[[Sequence[int], Sequence[Pending], int | None], int]

#: Identifiers of tasks, far from those that the system gives to threads.
FIRST_IDENT = 1 << 52
#: After so many steps the engine looks whether a task spins.
WATCH_EVERY = 256
#: Points that a task passes silently while it is unwound, and how often it is told after that.
SILENT_POINTS, ABORT_TRIES = 1_000, 1_000

BEGIN = Site("begin", "", "", "", "", 0, 0)
NO_STEP_LIMIT = 1 << 60


class Aborted(BaseException):
    """Unwinds a task of an execution that is over."""


class Execution:
    """The state of one execution, and the only one who changes it. Runs once."""

    __slots__ = (
        "aborting", "alive", "carrier", "checkpoint", "chosen", "clock_s", "current", "failures",
        "numbers", "opened", "pendings", "preemptions", "ready", "recorder", "several", "steps",
        "switches", "tasks", "timers", "uncontrolled", "_choose", "_ending", "_error",
        "_step_limit", "_stuck", "_unwound", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        choose: Choose,
        carrier: Carrier,
        step_limit: int = NO_STEP_LIMIT,
        recorder: Recorder | None = None,
    ) -> None:
        self.carrier = carrier
        self.recorder = recorder
        if recorder:
            recorder.attach(self)
        self.clock_s = 0.0
        self.failures: list[Failure] = []
        #: Calls that were not under control, by name, in the order of their first time.
        self.uncontrolled: dict[str, None] = {}
        #: What must be put back when it is over, whatever happens: `opened` is called in reverse.
        self.opened: list[Callable[[], None]] = []
        self.tasks: list[Task] = []
        self.pendings: list[Pending] = []
        #: The numbers of the ready tasks, in order; `several` says whether there are two.
        self.ready: list[int] = []
        self.several = False
        #: The task that runs; None while a strategy is asked, and before and after.
        self.current: Task | None = None
        self.alive = 0
        #: Times that the turn went on because it had to, and because the strategy wanted it.
        self.steps = self.switches = self.preemptions = 0
        self.chosen: list[int] = []
        self.aborting = False
        #: At this step the engine looks up from its work; see `look_up`.
        self.checkpoint = 0 if recorder else min(WATCH_EVERY, step_limit // 2)
        self._choose: Choose = recorder.choosing(choose) if recorder else choose
        self._step_limit = step_limit
        self.timers = Timers()
        #: Objects by id, numbered by their first use.
        self.numbers: dict[int, int] = {}
        self._ending = Ending.FINISHED
        self._error: BaseException | None = None
        self._watch: Watch | None = None
        self._unwound = 0
        self._stuck: list[int] = []

    # -- what tasks call ------------------------------------------------------------------------

    def point(self, site: Site, subject: object = None) -> None:
        """A scheduling point: the running task is about to do this, and anybody may go first."""
        task = self.current
        assert task is not None
        # The hot path stands a second time in `accesses`, where it saves a call.
        pending = task.pending
        pending.site = site
        pending.object = subject
        self.steps = steps = self.steps + 1
        if steps >= self.checkpoint:
            self.look_up(task)
        if self.several:
            self.decide(task)
        pending.object = None

    def decide(self, task: Task) -> None:
        """Let the strategy choose who goes on where the running task is about to; it could."""
        number = task.number
        # Nobody runs meanwhile: what the strategy touches is no access of the program.
        self.current = None
        try:
            if task.pending.yielding:
                chosen = self._let_others_go(number)
            else:
                chosen = self._choose(self.ready, self.pendings, number)
                self.chosen.append(chosen)
            following = self.tasks[chosen]
        except BaseException as error:
            self._fail(error, task)
            raise Aborted from None
        if chosen == number:
            self.current = task
            return
        if following.blocked is not None:
            self._fail(_not_ready(chosen, self.ready), task)
            raise Aborted
        self.preemptions += 1
        self.current = following
        following.switch()
        if self.aborting:
            self._raise_aborted(task)

    def park(self, site: Site, gate: Gate, timeout_s: float | None = None) -> bool:
        """Leave the ready tasks until `release`, or until the clock is there; False if it was.

        Raises Aborted where the execution is over.
        """
        task = self.current
        assert task is not None
        if self.aborting:
            self._raise_aborted(task)
        task.pending.site, task.pending.object = site, gate
        self.steps += 1
        if self.steps >= self.checkpoint:
            self.look_up(task, parking=True)
        task.blocked, task.timed_out = gate, False
        if timeout_s is not None:
            self.timers.set(task, self.clock_s + max(timeout_s, 0.0))
        self.ready.remove(task.number)
        self.several = len(self.ready) > 1
        following = self._next()
        if following is not task:
            self._hand_over(following, task)
        elif self.aborting:
            self._raise_aborted(task)
        else:
            self.current = task
        task.deadline = task.pending.object = None
        return not task.timed_out

    def pass_gate(
        self, site: Site, gate: Gate, is_open: bool, timeout_s: float | None = None
    ) -> bool:
        """A point that its task passes while the gate is open; False where the clock came first."""
        task = self.current
        assert task is not None
        if is_open and not self.several:
            self.point(site, gate)
            return True
        number = task.number
        gate.waiters.append(number)
        try:
            if not is_open:
                return self.park(site, gate, timeout_s)
            task.timed_out = False
            if timeout_s is not None:
                self.timers.set(task, self.clock_s + max(timeout_s, 0.0))
            self.point(site, gate)
            task.deadline = None
            return not task.timed_out
        finally:
            if number in gate.waiters:
                gate.waiters.remove(number)

    def shut(self, gate: Gate) -> None:
        """Nobody can pass the gate now: who is about to is not ready any more."""
        waiters = gate.waiters
        if waiters and not self.aborting:
            for number in waiters:
                self.tasks[number].blocked = gate
            self.ready = [number for number in self.ready if number not in waiters]
            self.several = len(self.ready) > 1

    def open(self, gate: Gate) -> None:
        """Whoever is about to pass the gate can."""
        if gate.waiters and not self.aborting:
            for number in gate.waiters:
                self.tasks[number].blocked = None
            self.ready += gate.waiters
            self.ready.sort()
            self.several = len(self.ready) > 1

    def release(self, task: Task) -> None:
        """Make one waiting task ready."""
        if not self.aborting:
            task.blocked = None
            insort(self.ready, task.number)
            self.several = len(self.ready) > 1

    def spawn(
        self, function: Callable[[], object], *, ident: int = 0, daemon: bool = False
    ) -> Task:
        """Make a ready task; it runs when it is chosen."""
        if self.aborting and self.current is not None:
            self._raise_aborted(self.current)
        number = len(self.tasks)

        def job() -> Any:
            return self._live(task, function)

        unit = self.carrier.unit(job) if number else self.carrier.first(job)
        pending = Pending(number, BEGIN, self.numbers)
        task = Task(self, number, ident or FIRST_IDENT + number, unit, daemon, pending)
        self.tasks.append(task)
        self.pendings.append(pending)
        if not daemon:
            self.alive += 1
        self.ready.append(number)  # The highest number there is: still in order.
        self.several = len(self.ready) > 1
        if self.recorder:
            self.recorder.begun(task)
        return task

    # -- the run --------------------------------------------------------------------------------

    def run(self, program: Callable[[], object], ident: int) -> Outcome:
        """Run `program` as task 0 with this identifier, to the end of all tasks.

        Raises what the strategy raises.
        """
        first = self.spawn(program, ident=ident)
        self.current = first
        try:
            if self.recorder:
                self.recorder.took(0)
            self.carrier.run(first.unit)
        finally:
            self.current = None
            for close in reversed(self.opened):
                close()
        if self._error is not None:
            raise self._error
        outcome = self._outcome()
        self._let_go()
        return outcome

    def _outcome(self) -> Outcome:
        return Outcome(
            ending=self._ending,
            failures=tuple(self.failures),
            waiting=() if self.recorder is None else tuple(self.recorder.waiting),
            spinning=() if self._watch is None else self._watch.spinning,
            chosen=tuple(self.chosen),
            tasks=len(self.tasks),
            steps=self.steps,
            context_switches=self.switches + self.preemptions,
            preemptions=self.preemptions,
            clock_s=self.clock_s,
            uncontrolled=tuple(self.uncontrolled),
            stuck=tuple(self._stuck),
        )

    def _let_go(self) -> None:
        """Untie what refers to itself, so that little is left for the garbage collector."""
        for task in self.tasks:
            task.ending.clear()
            task.owner = task.thread = task.execution = None
        self.pendings.clear()

    def interrupt(self, error: BaseException) -> None:
        """End the execution with this error at its next step; `run` raises it."""
        self._error = self._error or error
        self.checkpoint = 0

    def _live(self, task: Task, function: Callable[[], object]) -> Any:
        """The life of a task; gives the unit that has the turn after it."""
        task.started = True
        try:
            if not self.aborting:
                function()
        except (Aborted, SystemExit):
            pass
        except BaseException as error:
            # What comes up while a task is unwound is not the program's doing.
            if not self.aborting:
                self.failed(task, error)
        finally:
            task.alive = False
        for end in task.ending:
            end()
        if not self.aborting:
            self.ready.remove(task.number)
            self.several = len(self.ready) > 1
            if not task.daemon:
                self.alive -= 1
            self.open(task)
        following = self._next()
        if following is None:
            self.current = None
            return self.carrier.home
        self.current = following
        self.switches += 1
        return following.unit

    def failed(self, task: Task, error: BaseException) -> None:
        """An exception left a task. Ctrl-C is no failure of the program: it ends everything."""
        if isinstance(error, KeyboardInterrupt):
            self.interrupt(error)
        else:
            self.failures.append(Failure(task.number, error))

    def _hand_over(self, following: Task | None, task: Task) -> None:
        self.switches += 1
        self.current = following
        if following is None:
            self.carrier.home.switch()
        else:
            following.switch()
        if self.aborting:
            self._raise_aborted(task)

    def _next(self) -> Task | None:
        """Who has the turn now that the running task gives it up; None where all are done."""
        if not self.aborting:
            if not self.ready and self.alive:
                self.pass_time()
            if self._error is None and self.ready and self.alive:
                following = self.tasks[self.ready[0]]
                if self.several:
                    following = self._ask() or following
                elif self.recorder:
                    self.recorder.took(following.number)
                if self._error is None:
                    return following
            elif self.alive and self._error is None:
                self._ending = Ending.DEADLOCK
            self.abort()
        while self._unwound < len(self.tasks):
            task = self.tasks[self._unwound]
            if task.alive and task.started and task.number not in self._stuck:
                return task
            if task.alive and not task.started:
                task.alive = False
                self.carrier.forget(task.unit)
                for end in task.ending:
                    end()
            self._unwound += 1
        return None

    def _let_others_go(self, number: int) -> int:
        """Who goes instead of a task that spins, whatever the strategy prefers."""
        others = [other for other in self.ready if other != number]
        if len(others) > 1:
            chosen = self._choose(others, self.pendings, None)
            self.chosen.append(chosen)
            return chosen
        if self.recorder:
            self.recorder.took(others[0])
        return others[0]

    def _ask(self) -> Task | None:
        self.current = None
        try:
            chosen = self._choose(self.ready, self.pendings, None)
            following = self.tasks[chosen]
            if following.blocked is not None or not following.alive:
                raise _not_ready(chosen, self.ready)
        except BaseException as error:
            self._error = error
            return None
        self.chosen.append(chosen)
        return following

    # -- the clock ------------------------------------------------------------------------------

    def pass_time(self) -> bool:
        """Move the clock to the next deadline, and wake who waits for it; False without one."""
        deadline_s = self.timers.first()
        if deadline_s is None:
            return False
        task = self.timers.pop()
        self.clock_s = max(self.clock_s, deadline_s)
        gate, task.timed_out = task.blocked, True
        if task.number in gate.waiters:
            gate.waiters.remove(task.number)
        self.release(task)
        return True

    def move_clock(self, seconds: float) -> None:
        """Move the clock by that much, or to where the next task wakes if that comes first."""
        until_s = self.clock_s + seconds
        deadline_s = self.timers.first()
        if deadline_s is not None and deadline_s <= until_s:
            self.pass_time()
        else:
            self.clock_s = until_s

    # -- what is looked at now and then ---------------------------------------------------------

    def look_up(self, task: Task, parking: bool = False) -> None:
        """Every step of a recorded execution, and now and then of others: limits, spinning."""
        if self.aborting:
            task.silent += 1
            if task.silent > SILENT_POINTS:
                self._raise_aborted(task)
            return
        if self._error is not None:
            self.abort()
            self._raise_aborted(task)
        if self.recorder:
            self.recorder.announce(task)
            if not self.several and not parking:
                self.recorder.took(task.number)
        if self.steps > self._step_limit:
            self._ending = Ending.STEP_LIMIT
            if self._watch is not None:
                self._watch.conclude()
            self.abort()
            self._raise_aborted(task)
        if self._watch is None:
            enforcing = self.recorder is None or self.recorder.enforcing
            self._watch = Watch(self._step_limit, enforcing)
        following = self._watch.look(self, task)
        self.checkpoint = 0 if self.recorder else following

    # -- the end of everything ------------------------------------------------------------------

    def abort(self) -> None:
        """From now on every task is unwound when it has the turn, also through `except:`."""
        if self.recorder and self._ending is Ending.DEADLOCK:
            self.recorder.note_waiting(self.tasks)
        self.aborting = True
        self.checkpoint = 0
        self.several = False

    def _fail(self, error: BaseException, task: Task) -> None:
        self.current = task
        self._error = error
        self.abort()
        task.raised += 1

    def _raise_aborted(self, task: Task) -> None:
        task.raised += 1
        if task.raised > ABORT_TRIES:
            # It catches everything and goes on: it is left where it is, for good.
            self._stuck.append(task.number)
            task.alive = False
            following = self._next()
            self.current = following
            (self.carrier.home if following is None else following).switch()
        raise Aborted


def _not_ready(chosen: object, ready: Sequence[int]) -> BaseException:
    return InvalidArgument(
        f"the strategy chose task {chosen!r}; it must choose one of the ready tasks {list(ready)}"
    )
