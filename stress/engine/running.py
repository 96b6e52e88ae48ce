"""The run of an execution, from its first task to its outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stress.engine.context import context
from stress.engine.execution import Execution
from stress.engine.outcome import Outcome


def run(execution: Execution, program: Callable[[], object], ident: int) -> Outcome:
    """Run `program` as task 0 with this identifier, to the end of all tasks.

    Raises what the strategy raises.
    """
    execution.current = first = execution.spawn(program)
    first.ident = ident
    try:
        if execution.recorder:
            execution.recorder.took(0)
        execution.carrier.run(first.unit)
    except KeyboardInterrupt as error:
        # It came to who waits at home. What is left is unwound from there.
        execution.interrupt(error)
        execution.abort()
        following = execution.next()
        if following is not None:
            execution.current, execution.carrier.running = following, execution.carrier.home
            execution.carrier.go_on(following.unit)
    finally:
        execution.current, execution.over = None, True
        for close in reversed(execution.opened):
            close()
    if execution.error is not None:
        raise execution.error
    return _outcome_of(execution)


def _outcome_of(execution: Execution) -> Outcome:
    stuck: Sequence[int] = ()
    steps = execution.steps
    if execution.aborting:
        stuck, steps = execution.unwinding.stuck, execution.steps_to_end
        execution.unwinding.let_go()
    # By position: this is made for each of many thousand executions.
    return Outcome(
        execution.ending,
        tuple(execution.failures),
        () if execution.recorder is None else tuple(execution.recorder.waiting),
        () if execution.watch is None else execution.watch.spinning,
        tuple(execution.chosen),
        len(execution.tasks),
        steps,
        execution.switches + execution.preemptions,
        execution.preemptions,
        execution.clock_s,
        tuple(execution.uncontrolled),
        tuple(stuck),
        execution.release_points,
        execution.tried,
        tuple(context.unclosed),
    )


def lose_running(execution: Execution) -> None:
    """Who has the turn hangs: go on without it, on the thread of the caller."""
    lost = execution.current
    execution.abort()
    if lost is not None:
        execution.unwinding.give_up(lost)
    execution.current, execution.carrier.running = execution.tasks[0], execution.carrier.home
    execution.abort()
