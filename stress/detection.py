"""The detectors of one exploration: what they find suspicious becomes findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stress import evidence
from stress.conflicts import only_looks
from stress.detect.atomicity import comes_to_the_same
from stress.detect.catalogue import DETECTORS
from stress.detect.leaks import leaks
from stress.detect.steered import IntoEachOther, InTurn
from stress.detect.suspicion import Detector, Grade, Inversion, Overtaken, Suspicion
from stress.detect.trace import Trace
from stress.detect.watched import Watched
from stress.diagnosis import Execution, found_in
from stress.engine.outcome import Ending, Outcome, Unclosed
from stress.errors import InvalidArgument
from stress.finding import Finding, FindingKind
from stress.judge import Origin
from stress.steps import Step
from stress.strategy import Strategy
from stress.telling import positions_of, source_of_stack, told

#: Makes one execution with a strategy; None where it could not be made.
Lead = Callable[[Strategy], Execution | None]


#: What is longer is not looked at, and that is told.
STEPS_MAX = 20_000


class Detection:
    """Looks at the executions of an exploration, one after another.

    `free_threaded` says whether what is harmless with the interpreter's lock alone fails as well.
    """

    def __init__(
        self, detectors: Collection[str | Detector], *, free_threaded: bool = False
    ) -> None:
        if isinstance(detectors, str):
            raise InvalidArgument(f"detectors is {detectors!r}; give a sequence of names")
        self._detectors = [_made(one) for one in detectors]
        self._names = [one for one in detectors if isinstance(one, str)]
        self._free_threaded = free_threaded
        self._notices: dict[str, str] = {}
        self._seen: set[int] = set()
        self._told: set[object] = set()

    @property
    def is_on(self) -> bool:
        """Whether there is a detector."""
        return bool(self._detectors)

    @property
    def listens(self) -> bool:
        """Whether it has to be known what was not closed."""
        return leaks in self._detectors

    @property
    def notices(self) -> tuple[str, ...]:
        """What looked like a defect and could not be confirmed, a sentence each."""
        return tuple(self._notices.values())

    def watching(self, strategy: Strategy) -> Strategy:
        """The strategy, so that the steps of its executions are known here."""
        return Watched(strategy) if self._detectors else strategy

    def is_suspicious(self, steps: Sequence[Step], outcome: Outcome) -> bool:
        """Whether an execution with this outcome shows what none before did, and fails by it."""
        if not self._detectors:
            return False
        if len(steps) > STEPS_MAX:
            self._notices[""] = (
                f"detectors did not look at executions of more than {STEPS_MAX:,} steps; "
                "a smaller input makes shorter ones"
            )
            return False
        left = [_place_of(one) for one in self._unclosed(outcome)]
        for mark in (hash(tuple(outcome.chosen)), hash((class_of(steps), *left))):
            if mark in self._seen:
                return False
            self._seen.add(mark)
        fresh = self.suspected(steps, outcome) - self._told
        self._told |= fresh
        return bool(fresh)

    def suspected(self, steps: Sequence[Step], outcome: Outcome) -> set[object]:
        """What an execution fails by, each in a form by which it is known again."""
        trace = Trace(steps, ended=_has_ended(outcome))
        left: set[object] = {_place_of(one) for one in self._unclosed(outcome)}
        return left.union(_key(one, steps) for one in self._suspicions(trace))

    def findings(self, execution: Execution, origin: Origin, lead: Lead) -> tuple[Finding, ...]:
        """What a recorded execution shows, the first of each defect. Where another execution can
        tell more, `lead` makes it."""
        steps = execution.steps
        found: dict[str, Finding] = {}
        for one in self._unclosed(execution.outcome):
            leak = _leak(one, execution, self._named(origin))
            found.setdefault(leak.fingerprint, leak)
        if not self._detectors or not steps or len(steps) > STEPS_MAX:
            return tuple(found.values())
        before = len(execution.events) - len(steps)
        trace = trace_of(execution, origin.target)
        for suspicion in self._suspicions(trace):
            details = _told_by_another(suspicion, trace, lead, origin.target)
            finding = _finding(
                suspicion, trace, before, execution, self._named(origin), details or {}
            )
            if details is not None:
                found.setdefault(finding.fingerprint, finding)
            elif suspicion.kind is FindingKind.LOCK_ORDER:
                said = f"{finding.message}; no execution could be led into a deadlock there"
                self._notices.setdefault(finding.fingerprint, said)
        return tuple(found.values())

    def _named(self, origin: Origin) -> Origin:
        """The origin of what is found here: it says by which detectors."""
        settings = {"detectors": self._names, "free_threaded": self._free_threaded}
        return replace(origin, settings={**origin.settings, **settings})

    def _unclosed(self, outcome: Outcome) -> Sequence[Unclosed]:
        return outcome.unclosed if self.listens and _has_ended(outcome) else ()

    def _suspicions(self, trace: Trace) -> Iterator[Suspicion]:
        for detector in self._detectors:
            for suspicion in detector(trace):
                if suspicion.grade.fails(free_threaded=self._free_threaded):
                    yield suspicion


def class_of(steps: Sequence[Step]) -> int:
    """A number that executions share in which the same tasks come to each object in the same order,
    up to the order of those that only look between two changes: detectors find the same in them."""
    orders: dict[int, int] = {}
    looks: dict[int, int] = {}
    for task, site, subject, second, _, key, _, _, _, _ in steps:
        if subject:
            if only_looks(site.kind, site.name):
                looks[subject] = looks.get(subject, 0) + hash((task, id(site), key))
            else:
                before = orders.get(subject), looks.pop(subject, 0)
                orders[subject] = hash((before, task, id(site), key))
        if second:
            before = orders.get(second), looks.pop(second, 0)
            orders[second] = hash((before, task, id(site)))
    return hash((tuple(sorted(orders.items())), tuple(sorted(looks.items()))))


def trace_of(execution: Execution, target: str) -> Trace:
    """The trace of an execution that was watched and recorded, with its values."""
    before = len(execution.events) - len(execution.steps)
    return Trace(
        execution.steps,
        [event.value for event in execution.events[before:]],
        [positions_of(stack, target) for stack in execution.stacks[before:]],
        ended=_has_ended(execution.outcome),
    )


def _has_ended(outcome: Outcome) -> bool:
    return outcome.ending is Ending.FINISHED and not outcome.failures


def detection_of(settings: Mapping[str, Any]) -> Detection:
    """What found a finding with these settings: detectors that have a name are in them."""
    known = [name for name in settings.get("detectors", ()) if name in DETECTORS]
    return Detection(known, free_threaded=bool(settings.get("free_threaded")))


def _made(detector: str | Detector) -> Detector:
    if callable(detector):
        return detector
    if detector not in DETECTORS:
        raise InvalidArgument(
            f"there is no detector {detector!r}; choose of {', '.join(DETECTORS)}, or give a "
            "function that takes a Trace"
        )
    return DETECTORS[detector]


def _told_by_another(
    suspicion: Suspicion, trace: Trace, lead: Lead, target: str
) -> Mapping[str, Any] | None:
    """What another execution adds to a suspicion; None where it does away with it."""
    doubt = suspicion.doubt
    if isinstance(doubt, Overtaken):
        other = lead(InTurn(trace.steps, doubt))
        if other is not None and comes_to_the_same(trace, doubt, trace_of(other, target)):
            return None
    if isinstance(doubt, Inversion):
        other = lead(IntoEachOther(trace.steps, doubt))
        if other is not None and other.outcome.ending is Ending.DEADLOCK:
            return {"deadlock": "another execution, led there, ended in it"}
        return None
    return {}


def _place_of(unclosed: Unclosed) -> tuple[str, str, str]:
    """What it is, without names and numbers of this one; and where it was let go."""
    kind = " ".join(unclosed.what.replace("<", "").split()[:2])
    frame = evidence.innermost(unclosed.frames)
    return kind, frame.file if frame else "", frame.function if frame else ""


def _leak(unclosed: Unclosed, execution: Execution, origin: Origin) -> Finding:
    frame = evidence.innermost(unclosed.frames, origin.target)
    where = f" in {evidence.describe_frame(frame)}" if frame else ""
    return found_in(
        execution,
        origin,
        kind=FindingKind.LEAK,
        message=f"leak: task {unclosed.task} lets go {unclosed.what}{where}",
        place=f"{_place_of(unclosed)[0]} in {evidence.place_of(frame) if frame else 'a thread'}",
        details={"grade": Grade.TORN.value, "remedy": "open it by `with`, or close it"},
        conflict=(),
    )


def _key(suspicion: Suspicion, steps: Sequence[Step]) -> object:
    return suspicion.kind, frozenset(
        steps[step].through or steps[step].site for step in suspicion.steps
    )


def _finding(
    suspicion: Suspicion,
    trace: Trace,
    before: int,
    execution: Execution,
    origin: Origin,
    more: Mapping[str, Any],
) -> Finding:
    """`before` counts the events that come before the first step."""
    events, stacks = execution.events, execution.stacks
    text = told(
        suspicion,
        trace,
        frame_of=lambda step: events[before + step].frame,
        source_at=lambda step: source_of_stack(stacks[before + step], origin.target),
        name_of=lambda step: events[before + step].subject,
    )
    details: dict[str, Any] = dict(more)
    if suspicion.kind is not FindingKind.LOCK_ORDER:
        details["grade"] = suspicion.grade.value
    if text.remedy:
        details["remedy"] = text.remedy
    return found_in(
        execution,
        origin,
        kind=suspicion.kind,
        message=text.message,
        place=text.place,
        details=details,
        conflict=tuple(before + step for step in suspicion.steps),
    )
