"""Executions of one program, each made a second time with the same choices, and compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stress.controlled import Laboratory, first_difference
from stress.diagnosis import is_wrong
from stress.engine.outcome import Ending, Outcome
from stress.errors import ScheduleDiverged
from stress.schedule import Schedule
from stress.strategies.random_walk import RandomWalk
from stress.strategies.replay import Repeat, ReplayStrategy
from stress.strategy import Pending, Strategy

#: Of so many executions one is also replayed by its schedule, through JSON.
RECORD_EVERY = 50
#: Programs that spin for ever come to their end here.
STEP_LIMIT = 2_000


class Logged:
    """A strategy, and a log of what it was shown and chose."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self.log: list[Any] = []

    def begin(self, execution: int) -> bool:
        """As the strategy."""
        self.log = []
        return self._strategy.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """As the strategy. The log holds who was ready and was about to do what."""
        chosen = self._strategy.choose(ready, pending, current)
        shown = []
        for number in ready:
            one = pending[number]
            site = one.site
            shown.append((number, site.kind, site.name, site.line, one.subject, one.yielding))
        self.log.append((chosen, current, shown))
        return chosen


@dataclass
class Tally:
    """What came of the executions of one program. `differences` is to be empty."""

    executions: int = 0
    wrong: int = 0
    replayed: int = 0
    steps: int = 0
    differences: list[str] = field(default_factory=list)


def soak(
    lab: Laboratory,
    program: Callable[[], object],
    executions: int,
    *,
    seed: int = 0,
    record_every: int = RECORD_EVERY,
) -> Tally:
    """Execute with random choices, and again with the same. Stops at the tenth difference."""
    tally = Tally()
    if why := lab.check_repeatable(program, seed, STEP_LIMIT).difference:
        tally.differences.append(why)
    walk = Logged(RandomWalk(seed))
    for number in range(executions):
        first = lab.execute(program, walk, number=number, seed=seed, step_limit=STEP_LIMIT)
        assert first is not None
        found = _again(lab, program, walk.log, first, seed)
        if not found and number % record_every == 0:
            tally.replayed += 1
            found = _by_schedule(lab, program, first, seed)
        tally.executions += 1
        tally.wrong += is_wrong(first)
        tally.steps += first.steps
        if found:
            tally.differences.append(f"execution {number}: {found}")
            if len(tally.differences) >= 10:
                break
    return tally


def _again(
    lab: Laboratory, program: Callable[[], object], log: list[Any], first: Outcome, seed: int
) -> str:
    repeat = Logged(Repeat(first.chosen))
    try:
        second = lab.execute(
            program,
            repeat,
            seed=seed,
            step_limit=STEP_LIMIT,
            release_points=first.release_points,
        )
    except ScheduleDiverged as error:
        return f"the second time it diverged: {error}"
    assert second is not None
    for place, (one, other) in enumerate(zip(log, repeat.log, strict=False)):
        if one != other:
            return f"choice {place} was {one} the first time, {other} the second"
    if len(log) != len(repeat.log):
        return f"{len(log)} choices the first time, {len(repeat.log)} the second"
    if summary(first) != summary(second):
        return f"it ended {summary(first)} the first time, {summary(second)} the second"
    return ""


def _by_schedule(lab: Laboratory, program: Callable[[], object], first: Outcome, seed: int) -> str:
    """Record it, make a schedule of that, and replay the schedule from its JSON."""
    recorded = lab.record(
        program,
        Repeat(first.chosen),
        seed=seed,
        step_limit=STEP_LIMIT,
        release_points=first.release_points,
    )
    if summary(recorded.outcome) != summary(first):
        return f"recorded, it ended {summary(recorded.outcome)}, not {summary(first)}"
    schedule = Schedule.from_json(json.loads(json.dumps(recorded.schedule.to_json())))
    strategy = ReplayStrategy(schedule)
    try:
        again = lab.record(
            program,
            strategy,
            seed=seed,
            step_limit=STEP_LIMIT,
            enforcing=False,
            release_points=first.release_points,
        )
    except ScheduleDiverged as error:
        return f"its schedule diverged: {error}"
    if difference := first_difference(recorded.events, again.events):
        return f"replayed by its schedule, {difference}"
    if recorded.events != again.events:
        pairs = zip(recorded.events, again.events, strict=True)
        one, other = next((one, other) for one, other in pairs if one != other)
        return f"replayed by its schedule, step {one.step} is {other}, not {one}"
    if strategy.left and not is_wrong(again.outcome):
        return f"replayed by its schedule, switches are left: {strategy.left}"
    if _ending(again.outcome) != _ending(first):
        return f"replayed by its schedule, it ended {_ending(again.outcome)}, not {_ending(first)}"
    return ""


def summary(outcome: Outcome) -> tuple[Any, ...]:
    """Everything about an execution that the same choices must bring about again."""
    return (outcome.steps, *_choices(outcome))


def _choices(outcome: Outcome) -> tuple[Any, ...]:
    return (
        *_ending(outcome), outcome.tasks, outcome.chosen, outcome.context_switches,
        outcome.preemptions,
    )  # fmt: skip


def _ending(outcome: Outcome) -> tuple[Any, ...]:
    failures = [(f.task, type(f.error).__name__, str(f.error)) for f in outcome.failures]
    at_limit = outcome.ending is Ending.STEP_LIMIT
    return (
        outcome.ending, failures, outcome.spinning, outcome.uncontrolled, outcome.stuck,
        # Who counts more steps comes to the limit earlier.
        None if at_limit else outcome.clock_s,
    )  # fmt: skip
