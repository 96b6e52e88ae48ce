"""Controlled execution of a program, over and over: where engine and strategies meet."""

from __future__ import annotations

import _thread
import gc
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from stress.engine.accesses import make_access
from stress.engine.context import running
from stress.engine.execution import Execution
from stress.engine.instrument import instrumented
from stress.engine.outcome import Ending, Outcome
from stress.engine.substitutes import Holder, find_holders, substitutes, with_exit
from stress.errors import InvalidArgument
from stress.finding import Verdict
from stress.schedule import Schedule
from stress.strategies.random_walk import RandomWalk
from stress.strategies.replay import ReplayStrategy
from stress.strategy import Strategy

STRATEGIES: Mapping[str, Callable[[int], Strategy]] = {"random": RandomWalk}


@dataclass(frozen=True, slots=True)
class Failing:
    """An execution that went wrong: its number, its outcome, and the schedule that replays it."""

    execution: int
    outcome: Outcome
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Exploration:
    """What came of exploring a program. `reason` says why it stopped."""

    verdict: Verdict
    reason: str
    failing: tuple[Failing, ...]
    executions: int
    steps: int
    context_switches: int
    preemptions: int
    executions_per_s: float


def explore(
    program: Callable[[], object],
    *,
    strategy: str | Strategy = "random",
    executions: int = 1000,
    seed: int = 0,
    targets: Collection[str] | None = None,
    step_limit: int = 100_000,
    stop_on_first: bool = True,
) -> Exploration:
    """Run `program` again and again, each time with other choices.

    Accesses to shared state are scheduling points in the functions of `targets`, modules and
    packages by name; by default that is the module of `program`.

    A program fails when an exception leaves one of its tasks, or when it deadlocks. Without a
    single real choice the verdict is unknown. Raises InvalidArgument for wrong options.
    """
    if executions < 1 or step_limit < 1:
        raise InvalidArgument("executions and step_limit must be above 0")
    chooser = _strategy(strategy, seed)
    holders = find_holders()
    with instrumented(_targets(program, targets), make_access()):
        return _explore(program, chooser, executions, seed, step_limit, stop_on_first, holders)


def _explore(
    program: Callable[[], object],
    chooser: Strategy,
    executions: int,
    seed: int,
    step_limit: int,
    stop_on_first: bool,
    holders: Sequence[Holder],
) -> Exploration:
    failing: list[Failing] = []
    outcomes: list[Outcome] = []
    began = time.perf_counter()
    reason = f"all {executions} executions are done"
    for number in range(executions):
        if not chooser.begin(number):
            reason = "the strategy has nothing left to try"
            break
        outcome = execute(program, chooser, seed, step_limit, holders)
        outcomes.append(outcome)
        if outcome.failures or outcome.ending is Ending.DEADLOCK:
            failing.append(Failing(number, outcome, Schedule(seed, outcome.choices)))
            if stop_on_first:
                reason = "the first finding was asked for"
                break
    elapsed = time.perf_counter() - began
    verdict, why = _verdict(outcomes, failing)
    return Exploration(
        verdict=verdict,
        reason=why or reason,
        failing=tuple(failing),
        executions=len(outcomes),
        steps=sum(outcome.steps for outcome in outcomes),
        context_switches=sum(outcome.context_switches for outcome in outcomes),
        preemptions=sum(outcome.preemptions for outcome in outcomes),
        executions_per_s=len(outcomes) / elapsed if elapsed else 0.0,
    )


def replay(
    program: Callable[[], object],
    schedule: Schedule,
    *,
    targets: Collection[str] | None = None,
    step_limit: int = 100_000,
) -> Outcome:
    """Run `program` once with the choices of `schedule`. Raises ScheduleDiverged."""
    strategy = ReplayStrategy(schedule)
    strategy.begin(0)
    with instrumented(_targets(program, targets), make_access()):
        return execute(program, strategy, schedule.seed, step_limit, find_holders())


def _targets(program: Callable[[], object], targets: Collection[str] | None) -> Collection[str]:
    return (program.__module__,) if targets is None else targets


def execute(
    program: Callable[[], object],
    strategy: Strategy,
    seed: int,
    step_limit: int,
    holders: Sequence[Holder],
) -> Outcome:
    """One execution. The collector rests meanwhile: finalizers would run where they like."""
    execution = Execution(strategy.choose, step_limit)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with running(execution), substitutes(execution, seed, holders):
            return execution.run(with_exit(program), _thread.get_ident())
    finally:
        if was_enabled:
            gc.enable()


def _strategy(strategy: str | Strategy, seed: int) -> Strategy:
    if not isinstance(strategy, str):
        return strategy
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise InvalidArgument(f"there is no strategy {strategy!r}; choose one of {known}")
    return STRATEGIES[strategy](seed)


def _verdict(outcomes: list[Outcome], failing: list[Failing]) -> tuple[Verdict, str]:
    if failing:
        return Verdict.VIOLATED, ""
    if any(outcome.ending is Ending.STEP_LIMIT for outcome in outcomes):
        return Verdict.UNKNOWN, "an execution came to the step limit; is there a loop that spins?"
    if not any(outcome.choices for outcome in outcomes):
        return Verdict.UNKNOWN, "no execution ever had two ready tasks, so nothing was explored"
    return Verdict.HOLDS, ""
