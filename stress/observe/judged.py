"""What detectors have to say of a log: as violations, which a trial reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from stress import evidence
from stress.detect.catalogue import DETECTORS
from stress.detect.suspicion import Suspicion
from stress.detect.trace import Trace
from stress.engine.places import frames_of
from stress.finding import FindingKind, Frame, Violation
from stress.observe import Observed
from stress.observe.log import Log, Stack
from stress.observe.observing import observing
from stress.telling import positions_of, source_of_stack, told

_OURS = f"{evidence.PACKAGE}observe/"


@contextmanager
def observed(
    targets: Collection[str],
    program: Callable[..., object] | None,
    detectors: Collection[str],
    *,
    seed: int,
    free_threaded: bool = False,
) -> Iterator[Observed]:
    """Look on at what threads do in the block; at its end, what detectors find is there.

    Without detectors nothing is looked at. Needs the extra `explore`.
    """
    result = Observed()
    if not detectors:
        yield result
        return
    with observing(targets, program, seed) as log:
        yield result
    target = next(iter(targets), "")
    result.violations += violations_in(log, detectors, target, free_threaded=free_threaded)


def violations_in(
    log: Log, detectors: Collection[str], target: str, *, free_threaded: bool = False
) -> Iterator[Violation]:
    """What the detectors find, each defect once."""
    steps, stacks = log.close()
    positions = [positions_of(stack, target) for stack in stacks]
    trace = Trace(steps, (), positions, ended=log.has_ended)
    seen: set[str] = set()
    for name in detectors:
        for suspicion in DETECTORS[name](trace):
            if (
                suspicion.grade.fails(free_threaded=free_threaded)
                and not _is_doubtful(suspicion, trace, log)
                and not _is_of_library(suspicion, trace, stacks, target)
            ):
                violation = _violation(name, suspicion, trace, stacks, target)
                if violation.place not in seen:
                    seen.add(violation.place)
                    yield violation


def _is_doubtful(suspicion: Suspicion, trace: Trace, log: Log) -> bool:
    """Where something is made because there is none yet, two may have made the same. Controlled
    execution asks another execution; here that cannot be known."""
    if len(suspicion.steps) != 3:
        return False
    first, last = (trace.steps[step].site for step in (suspicion.steps[0], suspicion.steps[-1]))
    if last.kind not in ("write", "write item"):
        return False
    is_look = first.kind in ("contains", "call") or suspicion.steps[0] in log.missing
    return is_look or (first.kind == "read item" and last.kind == "write item" and not first.name)


def _is_of_library(suspicion: Suspicion, trace: Trace, stacks: list[Stack], target: str) -> bool:
    """Whether it is a lock that the library takes for itself, and then throws away."""
    step = suspicion.steps[0]
    if suspicion.kind is not FindingKind.LEAK or trace.steps[step].site.kind != "acquire":
        return False
    files = (code.co_filename for code, _ in stacks[step])
    inner = next((file for file in files if not file.startswith(_OURS)), "")
    return trace.steps[step].through is None and evidence.is_library(inner, target)


def _violation(
    detector: str, suspicion: Suspicion, trace: Trace, stacks: list[Stack], target: str
) -> Violation:
    def frame_of(step: int) -> Frame | None:
        return evidence.innermost(frames_of(stacks[step]), target)

    def name_of(step: int) -> str:
        return trace.steps[step].site.name.lower()

    text = told(
        suspicion,
        trace,
        frame_of=frame_of,
        source_at=lambda step: source_of_stack(stacks[step], target) if stacks[step] else "",
        name_of=name_of,
    )
    details: dict[str, object] = {"grade": suspicion.grade.value}
    if text.remedy:
        details["remedy"] = text.remedy
    details["accesses"] = [_line(trace, step, frame_of(step)) for step in suspicion.steps]
    return Violation(suspicion.kind, f"detector {detector}", text.place, text.message, details)


def _line(trace: Trace, step: int, frame: Frame | None) -> str:
    one = trace.steps[step]
    site = one.through or one.site
    where = f" in {evidence.describe_frame(frame)}" if frame else ""
    return f"thread {one.task}: {site.kind} {site.name}".rstrip() + where
