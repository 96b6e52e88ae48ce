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
from functools import partial
from typing import Any

from stress.engine.carriers import NOBODY, Carrier
from stress.engine.outcome import Ending, Failure
from stress.engine.recording import Recorder
from stress.engine.recursion import TOO_DEEP, is_near_the_end, is_still_to_end
from stress.engine.spinning import Watch
from stress.engine.subjects import Subjects
from stress.engine.task import Aborted, Gate, Outside, Task, not_ready
from stress.engine.timers import Timers, pass_time
from stress.engine.turns import let_others_go, tell_deadlock
from stress.engine.unwinding import Unwinding
from stress.site import Site
from stress.strategy import Pending

#: Chooses the next task: see `Strategy.choose`.
Choose = Callable[[Sequence[int], Sequence[Pending], int | None], int]

#: After so many steps the engine looks whether a task spins.
WATCH_EVERY = 256

BEGIN = Site("begin", "", "", "", "", 0, 0)
NO_STEP_LIMIT = 1 << 60


class Execution:
    """The state of one execution, and the only one who changes it. Runs once."""

    __slots__ = (
        "_every_step", "_step_limit", "_watch_at", "aborting", "alive", "careful", "carrier",
        "checkpoint", "choose", "chosen", "clock_s", "current", "daemons", "ending", "error",
        "failures", "least", "left", "numbers", "opened", "outside", "over", "pendings",
        "preemptions", "ready", "recorder", "release_points", "several", "steps", "steps_to_end",
        "switches", "tasks", "timers", "tried", "uncontrolled", "unwinding", "watch",
    )  # fmt: skip

    def __init__(
        self,
        choose: Choose,
        carrier: Carrier,
        step_limit: int = NO_STEP_LIMIT,
        recorder: Recorder | None = None,
        careful: bool = False,
        release_points: bool = True,
        every_step: bool = False,
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
        #: The numbers of the ready tasks, in order; `several` says whether the strategy is asked:
        #: where there are two, or even for one where it wants to see `every_step`.
        self.ready: list[int] = []
        self.several = False
        self.least, self._every_step = 1, every_step
        #: The task that runs; None while a strategy is asked, and before and after.
        self.current: Task | None = None
        self.alive = self.daemons = 0
        #: Times that the turn went on because it had to, and because the strategy wanted it.
        self.steps = self.switches = self.preemptions = 0
        self.chosen: list[int] = []
        #: How many accesses may pass without a look: see `grant`. Below zero where they are
        #: recorded all the same, and only counted already.
        self.left = 0
        self.careful = careful
        #: Whether the release of a lock is a scheduling point. Only who tries a lock without
        #: waiting can tell that it was still held: `tried` says that somebody did.
        self.release_points, self.tried = release_points, False
        self.aborting = self.over = False
        #: At this step the engine looks up from its work; see `look_up`.
        self._watch_at = min(WATCH_EVERY, step_limit // 2)
        self.checkpoint = 0 if recorder else self._watch_at
        self.choose: Choose = recorder.choosing(choose) if recorder else choose
        self._step_limit = step_limit
        self.timers = Timers()
        #: The tasks that are in calls outside of control; None where there never was one.
        self.outside: Outside | None = None
        #: Objects that a strategy asked for, numbered by their first use.
        self.numbers = Subjects()
        self.ending = Ending.FINISHED
        self.error: BaseException | None = None
        self.watch: Watch | None = None
        self.steps_to_end = 0
        #: Made when it is needed: when tasks are to end before they are done.
        self.unwinding: Unwinding

    # -- what tasks call ------------------------------------------------------------------------

    def point(self, site: Site, subject: object = None) -> None:
        """A scheduling point: the running task is about to do this, and anybody may go first."""
        task = self.current
        assert task is not None
        # The hot path stands a second time in `accesses`, where it saves a call.
        if self.left:
            self.settle()
        pending = task.pending
        pending.site = site
        pending.object = subject
        self.steps = steps = self.steps + 1
        if steps >= self.checkpoint:
            self.look_up(task)
        if self.several:
            self.decide(task)
        pending.object = None

    def note(self, site: Site, subject: object) -> None:
        """What is no scheduling point, or is counted already, and is recorded all the same."""
        task = self.current
        if self.recorder and task is not None and not self.aborting:
            task.pending.site, task.pending.object = site, subject
            self.recorder.announce(task)
            self.recorder.took(task.number)
            task.pending.object = None

    def grant(self) -> None:
        """Nobody else is ready: so many accesses may pass without a look.

        They are none that another task could come between, and are counted beforehand. Models take
        the grant back before they make somebody ready.
        """
        if not self.careful and not self.aborting and self._watch_at > self.steps:
            granted = self._watch_at - self.steps - 1
            self.left = -granted if self.recorder else granted
            self.steps += granted

    def settle(self) -> None:
        """Take back what is left of a grant."""
        self.steps -= abs(self.left)
        self.left = 0

    def decide(self, task: Task) -> None:
        """Let the strategy choose who goes on where the running task is about to; it could."""
        number = task.number
        # Nobody runs meanwhile: what the strategy touches is no access of the program.
        self.current = None
        try:
            if self.watch is not None and self.watch.spun:
                chosen = let_others_go(self, number)
            else:
                chosen = self.choose(self.ready, self.pendings, number)
                if len(self.ready) > 1:
                    self.chosen.append(chosen)
            following = self.tasks[chosen]
        except BaseException as error:
            self._fail(error, task)
            raise Aborted from None
        if chosen == number:
            self.current = task
            return
        if following.blocked is not None:
            self._fail(not_ready(chosen, self.ready), task)
            raise Aborted
        self.preemptions += 1
        self.current = following
        following.switch()
        if self.aborting:
            self.unwinding.tell_at_point(task)

    def park(self, site: Site, gate: Gate, timeout_s: float | None = None) -> bool:
        """Leave the ready tasks until `release`, or until the clock is there; False if it was.

        Raises Aborted where the execution is over.
        """
        task = self.current
        assert task is not None
        if self.aborting:
            self.unwinding.tell(task)
        if self.left:
            self.settle()
        task.pending.site, task.pending.object, task.pending.waits = site, gate, True
        self.steps += 1
        if self.steps >= self.checkpoint:
            self.look_up(task, parking=True)
        task.blocked, task.timed_out = gate, False
        if timeout_s is not None:
            self.timers.set(task, self.clock_s + max(timeout_s, 0.0))
        self.ready.remove(task.number)
        self.several = len(self.ready) > self.least
        following = self.next()
        if following is not task:
            self._hand_over(following, task)
        elif self.aborting:
            self.unwinding.tell(task)
        else:
            self.current = task
        task.deadline = task.pending.object = None
        task.pending.waits = False
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
            task.pending.waits = True
            self.point(site, gate)
            task.deadline, task.pending.waits = None, False
            return not task.timed_out
        finally:
            if number in gate.waiters:
                gate.waiters.remove(number)

    def shut(self, gate: Gate) -> None:
        """Nobody can pass the gate now: who is about to is not ready any more."""
        if gate.waiters and not self.aborting:
            tasks, waiters = self.tasks, set(gate.waiters)
            for number in waiters:
                tasks[number].blocked = gate
            self.ready[:] = [number for number in self.ready if number not in waiters]
            self.several = len(self.ready) > self.least

    def open(self, gate: Gate) -> None:
        """Whoever is about to pass the gate can."""
        if gate.waiters and not self.aborting:
            if self.left:
                self.settle()
            for number in gate.waiters:
                self.tasks[number].blocked = None
            self.ready += gate.waiters
            self.ready.sort()
            self.several = len(self.ready) > self.least

    def release(self, task: Task) -> None:
        """Make one waiting task ready."""
        if not self.aborting:
            if self.left:
                self.settle()
            task.blocked = None
            insort(self.ready, task.number)
            self.several = len(self.ready) > self.least

    def leave(self, task: Task, gate: Gate) -> Task | None:
        """The running task is not ready from now on, and does not wait for the turn: `next`."""
        self.settle()
        task.blocked = gate
        self.ready.remove(task.number)
        self.several = len(self.ready) > self.least
        following = self.next()
        self.current = following
        self.switches += 1
        return following

    def take_turn(self, task: Task) -> None:
        """The turn lies with nobody: `task`, which left, has it now."""
        self.release(task)
        self.current = task
        self.carrier.running = task.unit

    def spawn(self, function: Callable[[], object], daemon: bool = False) -> Task:
        """Make a ready task; it runs when it is chosen."""
        if self.aborting and self.current is not None:
            self.unwinding.tell(self.current)
        if self.left:
            self.settle()
        number = len(self.tasks)
        pending = Pending(number, BEGIN, self.numbers)
        pending.daemon = daemon
        task = Task(number, daemon, pending)
        make_unit = self.carrier.unit if number else self.carrier.first
        task.unit = unit = make_unit(partial(self._live, task, function))
        task.switch = unit.switch
        self.tasks.append(task)
        self.pendings.append(pending)
        if number and self._every_step:
            self.least = 0  # What the first task does alone, everybody comes after.
        if daemon:
            self.daemons += 1
        else:
            self.alive += 1
        self.ready.append(number)  # The highest number there is: still in order.
        self.several = len(self.ready) > self.least
        if self.recorder:
            self.recorder.begun(task)
        return task

    # -- the run --------------------------------------------------------------------------------

    def interrupt(self, error: BaseException) -> None:
        """End the execution with this error at its next step; `run` raises it."""
        self.error = self.error or error
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
                self._left_by(task, error)
        task.alive = False
        if self.over:
            return None
        if self.left:
            self.settle()
        if task.ending:
            for end in task.ending:
                end()
            task.ending.clear()
        if task.crew is not None:
            task.crew.one_is_over()
            task.crew = None  # Else the two would hold each other.
        if not self.aborting:
            ready = self.ready
            ready.remove(task.number)
            self.several = len(ready) > self.least
            if task.daemon:
                self.daemons -= 1
            else:
                self.alive -= 1
            if task.waiters:
                self.open(task)
        self.current = following = self.next()
        self.switches += 1
        return self.unit_of(None) if following is None else following.unit

    def unit_of(self, following: Task | None) -> Any:
        """Where the turn goes when `next` gave this."""
        if following is not None:
            return following.unit
        return NOBODY if self._nobody_runs else self.carrier.home

    @property
    def _nobody_runs(self) -> bool:
        return self.outside is not None and self.outside.nobody_runs and not self.aborting

    def _left_by(self, task: Task, error: BaseException) -> None:
        if task.crew is None or isinstance(error, KeyboardInterrupt):
            self.failed(task, error)
            return
        try:
            task.crew.failed(task, error)
        except BaseException as other:
            if not self.aborting:
                self.failed(task, other)

    def failed(self, task: Task, error: BaseException) -> None:
        """An exception left a task. Ctrl-C is no failure of the program: it ends everything."""
        if isinstance(error, KeyboardInterrupt):
            self.interrupt(error)
        else:
            self.failures.append(Failure(task.number, error))

    def _hand_over(self, following: Task | None, task: Task) -> None:
        self.switches += 1
        self.current = following
        if following is not None:
            following.switch()
        elif self._nobody_runs:
            task.unit.wait()
        else:
            self.carrier.home.switch()
        if self.aborting:
            self.unwinding.tell(task)

    def next(self) -> Task | None:
        """Who has the turn now that the running task gives it up.

        None where all are done, and where the turn is for whoever comes back from outside.
        """
        if not self.aborting:
            ready = self.ready
            if not ready and self.alive and self.error is None:
                if self.outside is not None and self.outside.wait_or_leave():
                    return None
                if not ready:
                    pass_time(self)
            if ready and self.alive and self.error is None:
                if self.several:
                    following = self._ask()
                    if following is not None:
                        return following
                else:
                    if self.recorder:
                        self.recorder.took(ready[0])
                    return self.tasks[ready[0]]
            elif self.alive and self.error is None:
                self.ending = Ending.DEADLOCK
                if not self.least:
                    tell_deadlock(self)
            elif not (ready or self.alive or self.daemons):
                return None  # All are done.
            self.abort()
        return self.unwinding.next()

    def _ask(self) -> Task | None:
        task, self.current = self.current, None
        # Who gave up the turn is ready again where the clock came to its own moment just now.
        current = task.number if task is not None and task.number in self.ready else None
        try:
            chosen = self.choose(self.ready, self.pendings, current)
            following = self.tasks[chosen]
            if following.blocked is not None or not following.alive:
                raise not_ready(chosen, self.ready)
        except BaseException as error:
            self.end_with(error)
            return None
        if len(self.ready) > 1:
            self.chosen.append(chosen)
        return following

    # -- what is looked at now and then ---------------------------------------------------------

    def look_up(self, task: Task, parking: bool = False) -> None:
        """Every step of a recorded execution, and now and then of others: limits, spinning."""
        if self.aborting:
            self.unwinding.pass_point(task)
            return
        if self.error is not None:
            self.abort()
            self.unwinding.tell_at_point(task, parking)
            return
        if self.recorder:
            self.recorder.announce(task)
            if not self.several and not parking:
                self.recorder.took(task.number)
        if self.steps > self._step_limit:
            self.ending = Ending.STEP_LIMIT
            if self.watch is not None:
                self.watch.conclude(self.ready)
            self.abort()
            self.unwinding.tell_at_point(task, parking)
            return
        if self.steps < self._watch_at:
            return
        if self.watch is None:
            enforcing = self.recorder is None or self.recorder.enforcing
            self.watch = Watch(self._step_limit, enforcing)
        self._watch_at = self.watch.look(self, task)
        if is_still_to_end(task.pending.site.kind):
            self._watch_at = self.steps + 1
        self.checkpoint = 0 if self.recorder else self._watch_at

    # -- the end of everything ------------------------------------------------------------------

    def abort(self) -> None:
        """From now on every task is unwound when it has the turn, also through `except:`."""
        if self.recorder and self.ending is Ending.DEADLOCK:
            self.recorder.note_waiting(self.tasks)
        if not self.aborting:
            self.unwinding = Unwinding(self)
            self.settle()
            # What tasks still do while they are unwound is no part of the execution.
            self.steps_to_end = self.steps
        self.aborting = True
        self.checkpoint = 0
        self.several = False

    def end_with(self, error: BaseException) -> None:
        """What the strategy raised."""
        if isinstance(error, RecursionError) and is_near_the_end():
            self.uncontrolled.setdefault(TOO_DEEP)
        else:
            self.error = error

    def _fail(self, error: BaseException, task: Task) -> None:
        self.current = task
        self.end_with(error)
        self.abort()
        task.raised += 1
