"""`shrink`: the door to the smallest schedule with the same defect."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from stress.controlled import laboratory
from stress.detection import detection_of
from stress.errors import InvalidArgument, ScheduleDiverged
from stress.finding import Finding
from stress.finding_store import FindingStore
from stress.options import check_options, options_of, origin_of
from stress.reducer import reduced


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
    listening = detection_of(finding.settings).listens
    with laboratory(program, targets, carrier, listening=listening) as lab:
        origin = origin_of(program, lab, step_limit)
        shrunk = reduced(program, finding, lab, origin, step_limit, executions)
    if shrunk is None:
        raise ScheduleDiverged(
            f"the program does not show {finding.id} any more under the schedule of the finding"
        )
    return shrunk
