"""The smallest schedule of one program with the same defect: tries are executed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from stress.controlled import Laboratory, Unsuitable
from stress.detect.watched import Watched
from stress.detection import detection_of
from stress.diagnosis import Execution, diagnose, is_wrong
from stress.engine.outcome import Outcome
from stress.engine.stalls import Stalled
from stress.errors import ScheduleDiverged
from stress.finding import Finding
from stress.judge import Origin
from stress.reduction import shrink_schedule, size
from stress.schedule import Schedule
from stress.strategies.dfs import DFS
from stress.strategies.guided import Guided


def reduced(
    program: Callable[[], object],
    finding: Finding,
    lab: Laboratory,
    origin: Origin,
    step_limit: int,
    executions: int,
    on_execution: Callable[[], None] = lambda: None,
) -> Finding | None:
    """The same defect, by kind and place, with the fewest preemptions and the shortest schedule
    that up to so many executions find; None where its own schedule does not show it any more.

    `on_execution` is called before each of them.
    """
    assert finding.schedule is not None
    tried = _Tried(program, finding, lab, origin, step_limit, on_execution)
    first = tried.attempt(finding.schedule)
    if first is None:
        return None
    schedule, made = shrink_schedule(first, tried.attempt, tried.search, executions - 1)
    found = tried.smallest
    assert found is not None
    assert found.schedule == schedule
    return replace(
        found,
        # By whatever name it was found and kept.
        fingerprint=finding.fingerprint,
        workload=finding.workload,
        target=finding.target,
        replay_command=finding.replay_command,
        trial=finding.trial,
        count=finding.count,
        details={
            **{name: finding.details[name] for name in ("found_by",) if name in finding.details},
            **found.details,
            "shrunk": {
                "executions": made + 1,
                "preemptions_before": first.preemptions,
                "switches_before": len(first.switches),
            },
        },
    )


class _Tried:
    """Executes schedules of one program, and keeps the findings that are the one sought."""

    def __init__(
        self,
        program: Callable[[], object],
        sought: Finding,
        lab: Laboratory,
        origin: Origin,
        step_limit: int,
        on_execution: Callable[[], None],
    ) -> None:
        assert sought.schedule is not None
        self._program = program
        self._sought = sought
        self._seed = sought.schedule.seed
        self._lab = lab
        self._origin = origin
        self._step_limit = step_limit
        self._on_execution = on_execution
        # Fewest preemptions first: it goes on where a search before ended.
        self._detection = detection_of(sought.settings)
        self._systematic, self._searched = self._detection.watching(DFS()), 0
        #: Only that one is kept: the collector looks through all that is.
        self.smallest: Finding | None = None

    def attempt(self, schedule: Schedule) -> Schedule | None:
        """Execute as far as it fits: see `stress.reduction.Attempt`."""
        self._on_execution()
        try:
            execution = self._lab.record(
                self._program,
                self._detection.watching(Guided(schedule)),
                seed=self._seed,
                step_limit=self._step_limit,
                enforcing=False,
                release_points=schedule.switches_at_release or self._detection.is_on,
            )
        except (Stalled, Unsuitable):
            return None
        return self._keep(execution)

    def search(self, below: int, limit: int) -> tuple[Schedule | None, int]:
        """Systematically, fewest preemptions first: see `stress.reduction.Search`."""
        for made in range(limit):
            self._on_execution()
            number, self._searched = self._searched, self._searched + 1
            try:
                outcome = self._lab.execute(
                    self._program,
                    self._systematic,
                    number=number,
                    seed=self._seed,
                    step_limit=self._step_limit,
                )
            except (Stalled, Unsuitable, ScheduleDiverged):
                return None, made
            if outcome is None or outcome.preemptions >= below:
                return None, made
            if is_wrong(outcome) or self._is_suspicious(outcome):
                execution, note, _ = self._lab.explain(
                    self._program,
                    outcome,
                    number,
                    self._seed,
                    self._step_limit,
                    watched=self._detection.is_on,
                )
                found = None if note else self._keep(execution)
                if found is not None:
                    return found, made + 1
        return None, limit

    def _is_suspicious(self, outcome: Outcome) -> bool:
        strategy = self._systematic
        return isinstance(strategy, Watched) and bool(
            self._detection.suspected(strategy.steps, outcome)
        )

    def _keep(self, execution: Execution) -> Schedule | None:
        lead = partial(self._lab.lead, self._program, seed=self._seed, step_limit=self._step_limit)
        found = diagnose(execution, self._origin)
        found += self._detection.findings(execution, self._origin, lead)
        for finding in found:
            if (finding.kind, finding.place) == (self._sought.kind, self._sought.place):
                known = self.smallest.schedule if self.smallest is not None else None
                if known is None or size(execution.schedule) < size(known):
                    self.smallest = finding
                return execution.schedule
        return None
