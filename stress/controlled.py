"""A laboratory: the process prepared for one program, in which it is executed under control."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stress.detect.watched import Watched
from stress.diagnosis import Execution
from stress.engine.accesses import AccessHooks
from stress.engine.carriers import Carrier, GreenletCarrier, ThreadCarrier
from stress.engine.context import context
from stress.engine.outcome import Outcome
from stress.engine.outside import NeedsThreads
from stress.engine.places import Places
from stress.engine.recording import Recorder
from stress.engine.recursion import TOO_DEEP
from stress.engine.session import Session, collector_at_rest, session
from stress.engine.stalls import Stalled
from stress.errors import ScheduleDiverged
from stress.events import Event
from stress.instrument import Hooks, instrumented
from stress.schedule import schedule_of
from stress.strategies.random_walk import RandomWalk
from stress.strategies.replay import Repeat
from stress.strategy import Strategy

#: How often the check for repeatability begins anew: the first executions may fill caches.
_WARM_UPS = 3
NOT_THE_SAME = "the program does not do the same twice: "
#: Of a long execution, that its beginning is repeatable is enough: to record it takes long.
REHEARSED_STEPS = 20_000


@dataclass
class Repeatability:
    """Whether a program does the same twice with the same choices.

    `difference` says where the last two executions part, in a sentence, and is empty where they
    do not; `at_first` is the same of the first two that did. `executions` are all of them.
    """

    difference: str = ""
    at_first: str = ""
    executions: list[Execution] = field(default_factory=list)

    @property
    def notice(self) -> str:
        """What the user should know where only the first executions were different."""
        if not self.at_first or self.difference:
            return ""
        return (
            f"only at first {self.at_first}: a cache that is filled once is no matter, but a state "
            "that the first execution uses up is; then make it inside the program"
        )


class Explained(NamedTuple):
    """An execution again, recorded. Where it did not come out the same, `note` says so, and
    `again` whether the program does the same twice now."""

    execution: Execution
    note: str = ""
    again: Repeatability | None = None


class Unsuitable(Exception):
    """The carrier that was asked for cannot carry the program; the argument says why."""


class Laboratory:
    """Executes and records one program; see `laboratory`."""

    def __init__(
        self,
        session: Session,
        targets: Collection[str],
        missing: Collection[str],
        target: str,
        may_move: bool,
    ) -> None:
        self._session = session
        self._may_move = may_move
        self._places = Places(target)
        self._moved = ""
        self.targets = tuple(targets)
        self.missing_notices = tuple(
            f"no function of target {name!r} was instrumented: is it the right name?"
            for name in sorted(missing)
        )

    @property
    def carrier(self) -> str:
        """What tasks run on now."""
        return self._session.carrier.name

    @property
    def outsiders(self) -> tuple[str, ...]:
        """Threads that the program can reach and that are not under control, by name."""
        return self._session.outsiders

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how the program was executed."""
        return (*self.missing_notices, *((self._moved,) if self._moved else ()))

    def execute(
        self,
        program: Callable[[], object],
        strategy: Strategy,
        *,
        number: int = 0,
        seed: int,
        step_limit: int,
        recorder: Recorder | None = None,
        release_points: bool | None = None,
    ) -> Outcome | None:
        """One execution; None where the strategy has none left to try.

        Where it needs threads of the system it is begun again on them, and all later ones are.
        `release_points`: see `Session.execute`.
        """
        every_step = bool(getattr(strategy, "every_step", False))
        if every_step and release_points is None:
            release_points = True
        while strategy.begin(number):
            try:
                return self._session.execute(
                    program,
                    strategy.choose,
                    seed=seed,
                    step_limit=step_limit,
                    recorder=recorder,
                    release_points=release_points,
                    every_step=every_step,
                )
            except NeedsThreads as need:
                if not self._may_move:
                    raise Unsuitable(
                        f"the program calls {need}, which needs a thread of the system; choose "
                        "the carrier 'thread' or 'auto'"
                    ) from None
                self._session.move_to_threads()
                self._moved = (
                    f"the program calls {need}, which needs a thread of the system: it is executed "
                    "on OS threads, not on greenlets"
                )
                if recorder is not None:
                    recorder.clear()
        return None

    def record(
        self,
        program: Callable[[], object],
        strategy: Strategy,
        *,
        seed: int,
        step_limit: int,
        number: int = 0,
        enforcing: bool = True,
        release_points: bool | None = None,
    ) -> Execution:
        """Execution 0 of a strategy, step by step; it counts as that with the `number`."""
        recorder = Recorder(self._places, enforcing=enforcing)
        outcome = self.execute(
            program,
            strategy,
            seed=seed,
            step_limit=step_limit,
            recorder=recorder,
            release_points=release_points,
        )
        assert outcome is not None
        events = recorder.finish()
        steps = strategy.steps if isinstance(strategy, Watched) else ()
        return Execution(
            number=number,
            outcome=outcome,
            events=events,
            schedule=schedule_of(seed, events),
            names=recorder.names,
            stacks=recorder.stacks,
            steps=steps,
        )

    def lead(
        self, program: Callable[[], object], strategy: Strategy, *, seed: int, step_limit: int
    ) -> Execution | None:
        """An execution that the strategy leads somewhere, watched and recorded; None where there
        is none."""
        try:
            return self.record(program, Watched(strategy), seed=seed, step_limit=step_limit)
        except (Stalled, Unsuitable, ScheduleDiverged):
            return None

    def explain(
        self,
        program: Callable[[], object],
        outcome: Outcome,
        number: int,
        seed: int,
        step_limit: int,
        watched: bool = False,
    ) -> Explained:
        """The same execution again, recorded. Where it was `watched`, its steps are known too."""
        note = ""
        repeat: Strategy = Repeat(outcome.chosen)
        try:
            execution = self.record(
                program,
                Watched(repeat) if watched else repeat,
                seed=seed,
                step_limit=step_limit,
                number=number,
                release_points=outcome.release_points,
            )
            if _fate(execution.outcome) == _fate(outcome):
                return Explained(execution)
            note = (
                f"replayed, it came out otherwise: {_fate(outcome)} at first, then "
                f"{_fate(execution.outcome)}"
            )
        except ScheduleDiverged as error:
            note = f"replayed, it diverged: {error}"
        again = self.check_repeatable(program, seed, step_limit)
        why = again.difference
        if any(TOO_DEEP in execution.outcome.uncontrolled for execution in again.executions):
            outcome = outcome._replace(uncontrolled=(*outcome.uncontrolled, TOO_DEEP))
        lost = Execution(number=number, outcome=outcome, events=(), schedule=schedule_of(seed, ()))
        return Explained(lost, f"{note}. {why}" if why else note, again)

    def check_repeatable(
        self,
        program: Callable[[], object],
        seed: int,
        step_limit: int,
        earlier: Outcome | None = None,
    ) -> Repeatability:
        """Execute twice with the same choices, at first those of an `earlier` execution, and see
        whether the two part.

        The first executions may fill caches, so that this is begun anew a few times.
        """
        found = Repeatability()
        step_limit = min(step_limit, REHEARSED_STEPS)
        for attempt in range(_WARM_UPS):
            known = earlier if attempt == 0 else None
            strategy = Repeat(known.chosen) if known else RandomWalk(seed * _WARM_UPS + attempt)
            found.difference = ""
            points = known.release_points if known else None
            try:
                first = self.record(
                    program, strategy, seed=seed, step_limit=step_limit, release_points=points
                )
                found.executions.append(first)
                if first.outcome.uncontrolled:
                    return found  # It is not repeatable, for a reason that is known.
                if known and known.steps <= step_limit and _fate(known) != _fate(first.outcome):
                    found.at_first = NOT_THE_SAME + f"{_fate(known)}, then {_fate(first.outcome)}"
                second = self.record(
                    program,
                    Repeat(first.outcome.chosen),
                    seed=seed,
                    step_limit=step_limit,
                    release_points=first.outcome.release_points,
                )
            except ScheduleDiverged as error:
                found.difference = NOT_THE_SAME + str(error)
            else:
                found.executions.append(second)
                found.difference = first_difference(first.events, second.events)
            if not found.difference:
                return found
            found.at_first = found.at_first or found.difference
        return found


def first_difference(first: tuple[Event, ...], second: tuple[Event, ...]) -> str:
    """Where two executions with the same choices part, in one sentence; empty where they do not."""
    for one, other in zip(first, second, strict=False):
        if (one.task, one.anchor, one.ready) != (other.task, other.anchor, other.ready):
            return (
                "the program does not do the same twice with the same choices: at step "
                f"{one.step} task {one.task} was about to {_told(one)} the first time, and task "
                f"{other.task} to {_told(other)} the second time; what decides that is not under "
                "control (the order of a set, an address, the environment, state that outlives "
                "an execution)"
            )
    if len(first) != len(second):
        longer = first if len(first) > len(second) else second
        extra = longer[min(len(first), len(second))]
        return (
            "the program does not do the same twice with the same choices: one execution ended "
            f"where in the other task {extra.task} was about to {_told(extra)}; state of the "
            "program may outlive an execution"
        )
    return ""


def _told(event: Event) -> str:
    where = f" ({event.frame.file.rpartition('/')[2]}:{event.frame.line})" if event.frame else ""
    return f"{event.anchor}{where}"


def _fate(outcome: Outcome) -> str:
    failures = [f"{type(f.error).__name__} in task {f.task}" for f in outcome.failures]
    return ", ".join([outcome.ending.value, *failures]) + f" after {len(outcome.chosen)} choices"


@contextmanager
def laboratory(
    program: Callable[[], object],
    targets: Collection[str] | None,
    carrier: str,
    *,
    listening: bool = False,
) -> Iterator[Laboratory]:
    """Prepare the process for executions of `program`, and leave it as it was.

    With `listening`, outcomes say what was not closed.

    Raises InvalidArgument inside of another one.
    """
    module = str(getattr(program, "__module__", "") or type(program).__module__)
    wanted = (module,) if targets is None else tuple(targets)
    with ExitStack() as stack:
        accesses = AccessHooks()
        stack.callback(accesses.leave)
        # Around the instrumentation, which looks through the process when it ends: what was there
        # before is set apart until then, and it looks through what is new.
        stack.enter_context(collector_at_rest())
        found = stack.enter_context(
            instrumented(wanted, Hooks(accesses.access, accesses.call), program, context.living)
        )
        accesses.module_names = found.module_names
        gc.freeze()
        opened = stack.enter_context(
            session(
                lambda: _carrier(carrier),
                wanted,
                program,
                may_move=carrier == "auto",
                listening=listening,
            )
        )
        yield Laboratory(opened, wanted, found.missing, module, carrier == "auto")


def _carrier(name: str) -> Carrier:
    if name == "auto":
        name = "greenlet" if _greenlets_are_right() else "thread"
    return GreenletCarrier() if name == "greenlet" else ThreadCarrier()


def _greenlets_are_right() -> bool:
    """Whether greenlets can be had without turning the GIL on."""
    is_enabled: Any = getattr(sys, "_is_gil_enabled", lambda: True)
    if not is_enabled():
        return False
    try:
        import greenlet  # noqa: F401
    except ImportError:
        return False
    return True
