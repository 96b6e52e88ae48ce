"""`shrink`: where schedules that are tried meet the program that they are of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from stress.controlled import Laboratory, Unsuitable, laboratory
from stress.diagnosis import Execution, diagnose, is_wrong
from stress.engine.stalls import Stalled
from stress.errors import InvalidArgument, ScheduleDiverged
from stress.exploration import check_options, options_of, origin_of
from stress.finding import Finding
from stress.finding_store import FindingStore
from stress.judge import Origin
from stress.reduction import preemptions, shrink_schedule
from stress.schedule import Schedule
from stress.strategies.dfs import DFS
from stress.strategies.guided import Guided


def shrink(
    program: Callable[[], object],
    finding: Finding | Path | str,
    *,
    executions: int = 1000,
    targets: Collection[str] | None = None,
    carrier: str | None = None,
    step_limit: int | None = None,
) -> Finding:
    """The same defect of `program`, by kind and place, with the fewest preemptions and the shortest
    schedule that up to so many executions find.

    The finding, or the path of one, brings its options; others take the place of those. Raises
    InvalidArgument for a finding without a schedule, and ScheduleDiverged where the program does
    not show the defect any more.
    """
    if isinstance(finding, Path | str):
        finding = FindingStore().load(finding)
    if finding.schedule is None:
        raise InvalidArgument(
            f"finding {finding.id} is of parallel execution and has no schedule to shrink"
        )
    targets, carrier, step_limit = options_of(finding.settings, targets, carrier, step_limit)
    check_options(executions, step_limit, None, carrier)
    with laboratory(program, targets, carrier) as lab:
        tried = _Tried(program, finding, lab, origin_of(program, lab, step_limit), step_limit)
        first = tried.attempt(finding.schedule)
        if first is None:
            raise ScheduleDiverged(
                f"the program does not show {finding.id} any more under the schedule of the finding"
            )
        schedule, made = shrink_schedule(first, tried.attempt, tried.search, executions - 1)
    return replace(
        tried.found[schedule],
        # By whatever name it was found and kept.
        fingerprint=finding.fingerprint,
        workload=finding.workload,
        target=finding.target,
        replay_command=finding.replay_command,
        trial=finding.trial,
        count=finding.count,
        details={
            **tried.found[schedule].details,
            "shrunk": {
                "executions": made + 1,
                "preemptions_before": preemptions(first),
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
    ) -> None:
        assert sought.schedule is not None
        self._program = program
        self._sought = sought
        self._seed = sought.schedule.seed
        self._lab = lab
        self._origin = origin
        self._step_limit = step_limit
        self.found: dict[Schedule, Finding] = {}

    def attempt(self, schedule: Schedule) -> Schedule | None:
        """Execute as far as it fits: see `stress.reduction.Attempt`."""
        try:
            execution = self._lab.record(
                self._program,
                Guided(schedule),
                seed=self._seed,
                step_limit=self._step_limit,
                enforcing=False,
                release_points=schedule.switches_at_release,
            )
        except (Stalled, Unsuitable):
            return None
        return self._keep(execution)

    def search(self, below: int, limit: int) -> tuple[Schedule | None, int]:
        """Systematically, fewest preemptions first: see `stress.reduction.Search`."""
        strategy = DFS()
        for number in range(limit):
            try:
                outcome = self._lab.execute(
                    self._program,
                    strategy,
                    number=number,
                    seed=self._seed,
                    step_limit=self._step_limit,
                )
            except (Stalled, Unsuitable, ScheduleDiverged):
                return None, number
            if outcome is None or outcome.preemptions >= below:
                return None, number
            if is_wrong(outcome):
                execution, note = self._lab.explain(
                    self._program, outcome, number, self._seed, self._step_limit
                )
                found = None if note else self._keep(execution)
                if found is not None:
                    return found, number + 1
        return None, limit

    def _keep(self, execution: Execution) -> Schedule | None:
        for finding in diagnose(execution, self._origin):
            if (finding.kind, finding.place) == (self._sought.kind, self._sought.place):
                self.found.setdefault(execution.schedule, finding)
                return execution.schedule
        return None
