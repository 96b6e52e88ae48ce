"""A session: the process prepared once, and then one execution after another in it."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from stress.engine.carriers import Carrier, ThreadCarrier
from stress.engine.context import context
from stress.engine.execution import Choose, Execution
from stress.engine.interrupts import deferred_interrupts
from stress.engine.outcome import Outcome
from stress.engine.outside import Wrappers
from stress.engine.recording import Recorder
from stress.engine.resources import resource_warnings
from stress.engine.running import lose_running, run
from stress.engine.shadows import Shadows
from stress.engine.stalls import Stalled, StallWatch
from stress.engine.substitutes import Surroundings
from stress.errors import InvalidArgument

#: Containers made and not let go since the last collection; then it is time for the next.
_YOUNG_MAX = 2_000
#: When explorations have left so many objects, they are collected before the next.
_LEFT_MAX = 25_000
#: An execution that makes no step for so long hangs.
STALL_LIMIT_S = 10.0


class Session:
    """Executes programs under control; see `session`."""

    def __init__(self, carrier: Carrier, surroundings: Surroundings, stalls: StallWatch) -> None:
        self.carrier = carrier
        carrier.on_interrupt = self._on_interrupt
        #: Threads that the program can reach and that are not under control, by name.
        self.outsiders: tuple[str, ...] = ()
        #: Whether instrumented code must be asked about every access: see `Execution.grant`.
        self.careful = False
        self._tried = False
        self._program: tuple[Any, Any] = (None, None)
        self._surroundings = surroundings
        self._stalls = stalls
        self._ident = threading.main_thread().ident or 0

    def execute(
        self,
        program: Callable[[], object],
        choose: Choose,
        *,
        seed: int = 0,
        step_limit: int = 100_000,
        recorder: Recorder | None = None,
        release_points: bool | None = None,
        every_step: bool = False,
    ) -> Outcome:
        """One execution. The collector works before it where there is something to collect, and
        not during it: finalizers are steps too. `release_points` says whether the release of a
        lock is a scheduling point; None: where an execution before tried a lock without waiting.
        With `every_step`, `choose` is asked also where one task alone is ready.

        Raises what `choose` raises, KeyboardInterrupt, Stalled where no step is made for too
        long, and NeedsThreads where the carrier is wrong: see `move_to_threads`.
        """
        if recorder is not None or gc.get_count()[0] > _YOUNG_MAX:
            gc.collect()
        careful = self.careful or context.guarded
        if release_points is None:
            release_points = self._tried
        execution = Execution(
            choose, self.carrier, step_limit, recorder, careful, release_points, every_step
        )
        self._surroundings.begin(seed)
        context.execution, context.unclosed = execution, []
        try:
            return run(execution, self._whole(program), self._ident)
        except KeyboardInterrupt:
            if self._stalls.where:
                raise Stalled(
                    f"no step was made for {self._stalls.limit_s:g} s: {self._stalls.where} hangs"
                ) from None
            raise
        finally:
            context.execution = None
            self._tried = self._tried or execution.tried

    def move_to_threads(self) -> None:
        """From now on tasks run on threads of the system."""
        self.carrier.close()
        self.carrier = ThreadCarrier()
        self.carrier.on_interrupt = self._on_interrupt

    def _whole(self, program: Callable[[], object]) -> Callable[[], None]:
        if self._program[0] is not program:
            self._program = program, self._surroundings.with_exit(program)
        return self._program[1]  # type: ignore[no-any-return]

    def close(self) -> None:
        """End what the carrier holds, and let go of what was around: executions, which may live on
        until they are collected, have the carrier."""
        self.carrier.close()
        del self.carrier.on_interrupt

    def _on_interrupt(self, error: BaseException) -> None:
        execution = context.execution
        assert execution is not None
        execution.interrupt(error)
        if self._stalls.where:
            # Who has the turn does not come back: it is taken away from it.
            lose_running(execution)
            raise error


@contextmanager
def session(
    make_carrier: Callable[[], Carrier],
    targets: Collection[str] = (),
    program: Callable[..., object] | None = None,
    *,
    may_move: bool = False,
    listening: bool = False,
    stall_limit_s: float | None = None,
) -> Iterator[Session]:
    """Prepare the process for controlled execution, and leave it as it was.

    Locks and the like that `targets` (modules and packages) and `program` hold already come under
    control. With `may_move`, calls that need threads of the system raise NeedsThreads on
    greenlets. With `listening`, outcomes say what was not closed. Raises InvalidArgument inside of
    another session.
    """
    if context.execution is not None or context.in_session:
        raise InvalidArgument(
            "a controlled execution runs already; an explored program cannot explore another"
        )
    context.in_session = True
    with ExitStack() as stack:
        stack.callback(setattr, context, "in_session", False)
        stack.enter_context(collector_at_rest())
        gc.freeze()
        context.guarded = len(sys._current_frames()) > 1
        stack.callback(setattr, context, "guarded", False)
        stack.enter_context(deferred_interrupts())
        if listening:
            stack.enter_context(resource_warnings())
        surroundings = Surroundings()
        shadows = Shadows(surroundings.taken)
        stack.callback(shadows.leave)
        shadows.enter(targets, program)
        stalls = StallWatch(STALL_LIMIT_S if stall_limit_s is None else stall_limit_s)
        stalls.start()
        stack.callback(stalls.stop)
        wrappers = Wrappers(may_move=may_move)
        stack.callback(surroundings.leave)
        surroundings.enter(wrappers.replaced())
        opened = Session(make_carrier(), surroundings, stalls)
        opened.outsiders, opened.careful = tuple(shadows.outsiders), shadows.left_some
        stack.callback(opened.close)
        yield opened


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """The garbage collector works when it is told to, and finds what was made since `gc.freeze`.

    What was there before is set apart by that: a collection between executions then costs next to
    nothing. The outermost block sets it free again.
    """
    was_enabled, outermost = gc.isenabled(), not context.collector_rests
    context.collector_rests = True
    gc.disable()
    if outermost:
        context.living.look()
        _collect_what_was_left()
    try:
        yield
    finally:
        if outermost:
            context.collector_rests = False
            context.left += context.living.settle()
        if was_enabled:
            gc.enable()


def _collect_what_was_left() -> None:
    """What explorations leave behind is set apart by the next one, where the collector would never
    find it: so now and then it works before. That takes some ten milliseconds."""
    if context.left > _LEFT_MAX:
        context.left = 0
        gc.collect()
