"""From an execution that went wrong to findings: what is wrong, where, and who waits for whom."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stress import evidence
from stress.engine.outcome import Ending, Failure, Outcome, Waiting
from stress.engine.places import Stack, frames_of
from stress.errors import InvariantViolated, NotLinearizable
from stress.events import Event
from stress.explanation import conflicting_pair, until_end
from stress.finding import Finding, FindingKind, Frame, ThreadStack
from stress.finding_store import replay_in_python
from stress.judge import Origin, fingerprint
from stress.schedule import Schedule
from stress.steps import Step

_ENGINE = __file__.rpartition("/")[0] + "/engine/"
#: What tracebacks say of the engine where it was compiled.
_ENGINE_COMPILED = "stress/engine/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A recorded execution: its number, its outcome, what happened, and what replays it.

    `names` are those of the threads, by number of the task, as far as they are known; `stacks`
    are of the events, in their order. `steps` are those of the last events, where somebody watched.
    """

    number: int
    outcome: Outcome
    events: tuple[Event, ...]
    schedule: Schedule
    names: Mapping[int, str] = field(default_factory=dict)
    stacks: Sequence[Stack] = ()
    steps: Sequence[Step] = ()


#: The name that `threading` makes says no more than the function in it.
_DEFAULT_NAME = re.compile(r"^Thread-\d+ \((.+)\)$")


@dataclass(frozen=True, slots=True)
class _Cause:
    kind: FindingKind
    message: str
    place: str
    threads: tuple[ThreadStack, ...] = ()
    details: dict[str, object] = field(default_factory=dict)


def is_wrong(outcome: Outcome) -> bool:
    """Whether an execution shows a defect of the program."""
    return bool(outcome.failures) or outcome.ending is Ending.DEADLOCK or bool(outcome.spinning)


def diagnose(execution: Execution, origin: Origin, note: str = "") -> tuple[Finding, ...]:
    """The findings of an execution; the exceptions first, since a deadlock may follow from them."""
    outcome = execution.outcome
    names = _names(execution)
    causes = [_failed(failure, origin.target, names) for failure in outcome.failures]
    if outcome.ending is Ending.DEADLOCK:
        causes.append(_deadlocked(outcome.waiting, origin.target, names))
    if outcome.spinning:
        causes.append(_starved(outcome, execution.events))
    told = {str(number): name for number, name in sorted(names.items())}
    return tuple(
        _finding(
            replace(cause, details={**cause.details, "tasks": told, **_conflict(cause, execution)}),
            execution,
            origin,
            note,
        )
        for cause in causes
    )


def _conflict(cause: _Cause, execution: Execution) -> dict[str, object]:
    """The two operations that are to blame, by their steps, with the stacks of both."""
    stacks = execution.stacks
    # What should have come first may come after the failure.
    events = execution.events
    steps = conflicting_pair(until_end(events, cause.details.get("ends")))
    steps = steps or conflicting_pair(events)
    if cause.details.get("cycle") or not steps or steps[-1] >= len(stacks):
        return {}  # Of a cycle all stacks are shown.
    return {"conflict": _stacks_of(execution, steps)}


def _stacks_of(execution: Execution, steps: Sequence[int]) -> list[dict[str, object]]:
    return [
        {
            "step": step,
            "frames": [[f.file, f.line, f.function] for f in frames_of(execution.stacks[step])],
        }
        for step in steps
    ]


def found_in(
    execution: Execution,
    origin: Origin,
    *,
    kind: FindingKind,
    message: str,
    place: str,
    details: Mapping[str, object],
    conflict: Sequence[int],
) -> Finding:
    """What a detector finds in an execution: the events that `conflict`, with all their stacks."""
    told = {str(number): name for number, name in sorted(_names(execution).items())}
    found = {**details, "tasks": told, "conflict": _stacks_of(execution, conflict)}
    return _finding(_Cause(kind, message, place, details=found), execution, origin, "")


def _names(execution: Execution) -> dict[int, str]:
    """The names of threads, by number of their task: of those that say more than the number."""
    names = dict(execution.names)
    for waiting in execution.outcome.waiting:
        names.setdefault(waiting.task, waiting.name)
    for failure in execution.outcome.failures:
        for frame, _ in traceback.walk_tb(failure.error.__traceback__):
            thread = frame.f_locals.get("self") if frame.f_code.co_name == "run" else None
            if isinstance(thread, threading.Thread):
                names.setdefault(failure.task, thread.name)
    return {
        number: _DEFAULT_NAME.sub(r"\1", name)
        for number, name in names.items()
        if name and name != "MainThread"
    }


def _finding(cause: _Cause, execution: Execution, origin: Origin, note: str) -> Finding:
    mark = fingerprint(cause.kind, "", cause.place, origin.workload)
    return Finding(
        kind=cause.kind,
        message=cause.message,
        fingerprint=mark,
        place=cause.place,
        workload=origin.workload,
        target=origin.target,
        seed=execution.schedule.seed,
        trial=execution.number,
        settings=origin.settings,
        python=origin.python,
        tool_version=origin.tool_version,
        condition=execution.outcome.ending.value,
        threads=cause.threads,
        details={**cause.details, **({"note": note} if note else {})},
        # Of a finding that is in no file. One that is saved gets a command that names the file.
        replay_command=replay_in_python(origin.workload, "finding"),
        schedule=execution.schedule,
        trace=execution.events,
    )


def _failed(failure: Failure, target: str, names: Mapping[int, str]) -> _Cause:
    error = failure.error
    frames = tuple(
        Frame(frame.f_code.co_filename, line, frame.f_code.co_qualname)
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__)))
        if not frame.f_code.co_filename.startswith((_ENGINE, _ENGINE_COMPILED))
    )
    kind = FindingKind.EXCEPTION
    if isinstance(error, InvariantViolated):
        kind = FindingKind.INVARIANT
    elif isinstance(error, NotLinearizable):
        kind = FindingKind.NOT_LINEARIZABLE
    judged = kind is not FindingKind.EXCEPTION
    text = str(error) if judged else "".join(traceback.format_exception_only(error)).strip()
    where = evidence.innermost(frames, target)
    # The first line says what and where; what follows is a tool's help with an assertion, say.
    first, *rest = text.splitlines() or [type(error).__name__]
    first += f", in task {failure.task}"
    if where is not None and not judged:
        first += f" at {evidence.describe_frame(where)}"
    message = "\n".join([first, *rest])
    stack = ThreadStack(_titled(failure.task, names), frames, current=True)
    # Other tasks may go on; what led to this is over.
    end = {**_end(failure.task, text, where), "over": True}
    subject = type(error).__name__
    place = f"{subject} {evidence.place_of(where)}" if where is not None else subject
    return _Cause(kind, message, place, (stack,), {"ends": [end]})


def _titled(task: int, names: Mapping[int, str]) -> str:
    return f"task {task} ({names[task]})" if task in names else f"task {task}"


def _end(task: int, text: str, frame: Frame | None) -> dict[str, object]:
    """How a task ended, for the last rows of an interleaving."""
    place: dict[str, object] = {"file": frame.file, "line": frame.line} if frame else {}
    return {"task": task, "text": text, **place}


def _deadlocked(waiting: Sequence[Waiting], target: str, names: Mapping[int, str]) -> _Cause:
    cycle = find_cycle(waiting)
    shown = cycle or [one for one in waiting if one.owner is None] or list(waiting)
    parts = [_describe_wait(one, target) for one in shown]
    if cycle:
        message = "deadlock: " + ", and ".join(parts)
    else:
        message = f"lost wake-up: {', and '.join(parts)}, and nobody is left who could end that"
    frames = [evidence.innermost(one.frames, target) for one in shown]
    place = " + ".join(sorted({evidence.place_of(frame) for frame in frames if frame}))
    stacks = tuple(
        ThreadStack(_titled(one.task, names), one.frames, current=one in shown) for one in waiting
    )
    details: dict[str, object] = {
        "waits": [_describe_wait(one, target) for one in waiting],
        "cycle": [one.task for one in cycle],
        "ends": [
            {
                **_end(one.task, _what_it_waits_for(one), evidence.innermost(one.frames, target)),
                "subjects": [one.subject, *one.held],
            }
            for one in waiting
        ],
    }
    return _Cause(FindingKind.DEADLOCK, message, place, stacks, details)


def find_cycle(waiting: Sequence[Waiting]) -> list[Waiting]:
    """Tasks each of which waits for the next, and the last for the first; empty without one."""
    by_task = {one.task: one for one in waiting}
    for start in waiting:
        path: list[Waiting] = []
        at: Waiting | None = start
        while at is not None and at not in path:
            path.append(at)
            at = by_task.get(at.owner) if at.owner is not None else None
        if at is not None:
            return path[path.index(at) :]
    return []


def _describe_wait(one: Waiting, target: str) -> str:
    frame = evidence.innermost(one.frames, target)
    where = f" in {evidence.describe_frame(frame)}" if frame else ""
    text = f"task {one.task}{where} {_what_it_waits_for(one)}"
    if one.owner is not None and one.kind != "join":
        text += f", which task {one.owner} holds"
    if one.held:
        text += f" (and holds {', '.join(one.held)})"
    return text


def _what_it_waits_for(one: Waiting) -> str:
    what = "for the end of" if one.kind == "join" else f"to {one.kind}"
    return f"waits {what} {one.subject}"


def _starved(outcome: Outcome, events: Sequence[Event]) -> _Cause:
    spinning = ", ".join(f"task {number}" for number in outcome.spinning)
    last = next((e for e in reversed(events) if e.task in outcome.spinning and e.frame), None)
    where = f" at {evidence.describe_frame(last.frame)}" if last and last.frame else ""
    place = evidence.place_of(last.frame) if last and last.frame else ""
    message = (
        f"{spinning} spin{'' if len(outcome.spinning) > 1 else 's'}{where} without an end: nothing "
        "that is read there changes any more"
    )
    frame = last.frame if last else None
    ends = [_end(number, "spins", frame) for number in outcome.spinning]
    return _Cause(FindingKind.STARVATION, message, place, details={"ends": ends})


def merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding per fingerprint, the first of each, with the number of sightings."""
    by_mark: dict[str, Finding] = {}
    for finding in findings:
        known = by_mark.get(finding.fingerprint)
        count = finding.count + (known.count if known else 0)
        by_mark[finding.fingerprint] = replace(known or finding, count=count)
    return tuple(by_mark.values())
