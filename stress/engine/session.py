"""A session: the process prepared once, and then one execution after another in it."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager

from stress.engine.carriers import Carrier
from stress.engine.context import context
from stress.engine.execution import Choose, Execution
from stress.engine.outcome import Outcome
from stress.engine.recording import Recorder
from stress.engine.shadows import Shadows
from stress.engine.substitutes import Surroundings, substitutes, with_exit
from stress.errors import InvalidArgument

#: Containers made and not let go since the last collection; then it is time for the next.
_YOUNG_MAX = 2_000


class Session:
    """Executes programs under control; see `session`."""

    def __init__(
        self, carrier: Carrier, surroundings: Surroundings, outsiders: tuple[str, ...]
    ) -> None:
        self.carrier = carrier
        #: Threads that the program can reach and that are not under control, by name.
        self.outsiders = outsiders
        self._surroundings = surroundings
        self._ident = threading.main_thread().ident or 0

    def execute(
        self,
        program: Callable[[], object],
        choose: Choose,
        *,
        seed: int = 0,
        step_limit: int = 100_000,
        recorder: Recorder | None = None,
    ) -> Outcome:
        """One execution. The collector works before it where there is something to collect, and
        not during it: finalizers are steps too.

        Raises what `choose` raises, and KeyboardInterrupt.
        """
        if recorder is not None or gc.get_count()[0] > _YOUNG_MAX:
            gc.collect()
        execution = Execution(choose, self.carrier, step_limit, recorder)
        self._surroundings.begin(seed)
        context.execution = execution
        try:
            return execution.run(with_exit(program), self._ident)
        finally:
            context.execution = None


@contextmanager
def session(
    make_carrier: Callable[[], Carrier],
    targets: Collection[str] = (),
    program: Callable[..., object] | None = None,
) -> Iterator[Session]:
    """Prepare the process for controlled execution, and leave it as it was.

    Locks and the like that `targets` (modules and packages) and `program` hold already come under
    control. Raises InvalidArgument inside of another session.
    """
    if context.execution is not None or context.in_session:
        raise InvalidArgument(
            "a controlled execution runs already; an explored program cannot explore another"
        )
    context.in_session = True
    with ExitStack() as stack:
        stack.callback(setattr, context, "in_session", False)
        stack.enter_context(_resting_collector())
        context.guarded = len(sys._current_frames()) > 1
        stack.callback(setattr, context, "guarded", False)
        carrier = make_carrier()
        stack.callback(carrier.close)
        shadows = Shadows()
        stack.callback(shadows.leave)
        shadows.enter(targets, program)
        surroundings = stack.enter_context(substitutes())
        yield Session(carrier, surroundings, tuple(shadows.outsiders))


@contextmanager
def _resting_collector() -> Iterator[None]:
    """What is there already is set apart: a collection between executions then costs next to
    nothing, and finds what the last execution left."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
