"""From the record of a trial to its findings: what went wrong, where, and its fingerprint."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import signal
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stress import evidence
from stress.errors import HarnessFault
from stress.finding import Finding, FindingKind, RecordedOperation, ThreadStack
from stress.trial import Condition, TrialRecord

# The same defect of memory shows once as a signal and once as a hang: one class, one fingerprint.
_KIND_CLASS = {FindingKind.CRASH: "crash", FindingKind.HANG: "crash"}


@functools.cache
def tool_version() -> str:
    """The version of the installed distribution, `unknown` in a bare source tree."""
    try:
        return importlib.metadata.version("hermes-stress")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def describe_python() -> dict[str, Any]:
    """The interpreter that runs us: version, implementation, build, free_threaded, platform."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": " ".join((*platform.python_build(), sys.version.partition("\n")[2] or "")).strip(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "platform": platform.platform(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the records of a run come from; every finding repeats it. See `Finding`.

    `target` is the package under test. An empty `plan` is filled from the trial's payload.
    """

    workload: str
    mutant: str | None = None
    target: str = "hermes"
    plan: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    python: Mapping[str, Any] = field(default_factory=describe_python)
    tool_version: str = field(default_factory=tool_version)


@dataclass(frozen=True, slots=True)
class _Cause:
    """What is known of the cause; `subject` tells apart what kind and place do not."""

    kind: FindingKind
    message: str
    place: str
    subject: str = ""
    oracle: str = ""
    threads: tuple[ThreadStack, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def judge(record: TrialRecord, origin: Origin) -> tuple[Finding, ...]:
    """The findings of one trial: none when it is clean.

    Sightings of one defect get equal fingerprints: ids, numbers, addresses, line numbers and
    signals do not enter it. Raises HarnessFault when a report breaks the contract of oracles.
    """
    match record.condition:
        case Condition.FINISHED:
            causes = _reported(record)
        case Condition.RAISED:
            causes = (_raised(record, origin.target),)
        case Condition.CRASHED | Condition.EXITED:
            causes = (_crashed(record, origin.target),)
        case Condition.HUNG:
            causes = (_hung(record, origin.target),)
    return tuple(_finding(cause, record, origin) for cause in causes)


def fingerprint(
    kind: FindingKind, oracle: str, place: str, subject: str = "", mutant: str | None = None
) -> str:
    """The sha256 (hexadecimal) by which two sightings of one defect are recognised.

    A mutant's defects are its own: a real one must never be filed under them.
    """
    parts = (_KIND_CLASS.get(kind, kind.value), oracle, place, subject, mutant or "")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _finding(cause: _Cause, record: TrialRecord, origin: Origin) -> Finding:
    mark = fingerprint(cause.kind, cause.oracle, cause.place, cause.subject, origin.mutant)
    return Finding(
        kind=cause.kind,
        message=cause.message,
        fingerprint=mark,
        oracle=cause.oracle,
        place=cause.place,
        workload=origin.workload,
        mutant=origin.mutant,
        target=origin.target,
        seed=record.trial.seed,
        trial=record.trial.index,
        plan=origin.plan or record.trial.payload.get("plan") or {},
        settings=origin.settings,
        python=origin.python,
        tool_version=origin.tool_version,
        condition=record.condition.value,
        signal=record.signal,
        exit_code=record.exit_code,
        threads=cause.threads,
        operations=record.operations,
        stdout_tail=record.stdout_tail,
        stderr_tail=record.stderr_tail,
        details=cause.details,
        replay_command=f"hermes-stress replay {cause.kind.value}-{mark[:12]}",
    )


def _reported(record: TrialRecord) -> tuple[_Cause, ...]:
    violations = record.report.get("violations", ())
    try:
        return tuple(
            _Cause(
                kind=FindingKind(violation["kind"]),
                message=str(violation["message"]),
                place=str(violation["place"]),
                oracle=str(violation["oracle"]),
                threads=record.threads,
                details=dict(violation.get("details") or {}),
            )
            for violation in violations
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HarnessFault(
            f"trial {record.trial.index} (seed {record.trial.seed}) reported violations that are "
            f"none: {type(error).__name__}: {error}"
        ) from error


def _raised(record: TrialRecord, target: str) -> _Cause:
    name = str(record.report.get("error_type") or "")
    text = str(record.report.get("error") or "")
    traceback = str(record.report.get("traceback") or "")
    if not name:
        name = text.partition(":")[0]
    message = text if text.startswith(name) else f"{name}: {text}".removesuffix(": ")
    frames = evidence.traceback_frames(traceback)
    frame = evidence.innermost(frames, target)
    return _Cause(
        kind=FindingKind.EXCEPTION,
        message=message or "an exception without a text",
        place=evidence.place_of(frame) if frame else _last_begun(record.operations),
        subject=name.rpartition(".")[2],
        threads=(ThreadStack("the program", frames, current=True),) if frames else (),
        details={"traceback": traceback} if traceback else {},
    )


def _crashed(record: TrialRecord, target: str) -> _Cause:
    if record.condition is Condition.EXITED:
        what = f"exit code {record.exit_code} without a report"
    elif record.signal is None:
        what = record.note or "the process was lost, nobody knows how"
    else:
        what = _signal_name(record.signal)
    flying = evidence.in_flight(record.operations)
    current = next((stack for stack in record.threads if stack.current), None)
    own = [op for op in flying if current is not None and op.thread == current.thread]
    frame = evidence.innermost(current.frames, target) if current else None
    if frame is not None:
        message = f"{what} in {evidence.describe_frame(frame)}"
        message += f" during {own[-1].name}" if own else ""
        return _Cause(FindingKind.CRASH, message, evidence.place_of(frame), **_rest(record))
    message = f"{what}, in flight: {_names(own or flying)}" if flying else what
    # The stack of the failed thread is lost: one in the same operation stands where it stood.
    lost = (own or flying)[-1:]
    same = {op.thread for op in flying if lost and op.name == lost[0].name}
    alike = sorted({_place(s, target) for s in record.threads if s.thread in same} - {""})
    place = next(iter([*alike, *(op.name for op in lost)]), "")
    return _Cause(FindingKind.CRASH, message, place, **_rest(record))


def _hung(record: TrialRecord, target: str) -> _Cause:
    after = f"after {record.duration_s:.1f} s"
    flying = evidence.in_flight(record.operations)
    # The thread in the same operation for longest is the likeliest culprit.
    age = {operation.thread: number for number, operation in reversed([*enumerate(flying)])}
    stacks = sorted(
        (stack for stack in record.threads if not evidence.is_idle(stack)),
        key=lambda stack: (age.get(stack.thread, len(flying)), stack.thread),
    )
    # A helper that sleeps between two frames of a spinner is nobody's obstacle; a thread that
    # sleeps inside an operation may hold what the others want.
    stacks = [
        s for s in stacks if not (age and evidence.waits(s) == "sleep" and s.thread not in age)
    ]
    busy = [stack for stack in stacks if evidence.waits(stack) in ("", "sleep")]
    blocked = [stack for stack in stacks if evidence.waits(stack) == "lock"]
    if blocked and not busy:
        return _deadlocked(record, target, blocked, stacks, after)
    culprit = next(iter(busy or stacks), None)
    frame = evidence.innermost(culprit.frames, target) if culprit else None
    if culprit is None or frame is None:
        running = f", in flight: {_names(flying)}" if flying else ", and no thread could be seen"
        place = flying[0].name if flying else ""
        return _Cause(FindingKind.HANG, f"no end {after}{running}", place, **_rest(record))
    does = "is busy in" if busy else "waits in"
    message = f"no end {after}: {culprit.thread} {does} {evidence.describe_frame(frame)}"
    threads = _mark(record.threads, [culprit])
    place = evidence.place_of(frame)
    return _Cause(FindingKind.HANG, message, place, threads=threads, details=_note(record))


def _deadlocked(
    record: TrialRecord,
    target: str,
    blocked: Sequence[ThreadStack],
    stacks: Sequence[ThreadStack],
    after: str,
) -> _Cause:
    # Others pile up behind the two that hold what the other wants: only two make the fingerprint.
    places = {stack: _place(stack, target) for stack in blocked}
    first = blocked[0]
    others = [stack for stack in blocked[1:] if places[stack] != places[first]] or blocked[1:]
    chosen = [first, *others[:1]]
    parts = [_describe(stack, target) for stack in chosen]
    verb = "waits for a lock" if len(chosen) == 1 else "wait for locks"
    message = f"deadlock {after}: {' and '.join(parts)} {verb}"
    if len(stacks) > len(chosen):
        message += f", {len(stacks) - len(chosen)} more behind"
    return _Cause(
        FindingKind.DEADLOCK,
        message,
        " + ".join(sorted({places[stack] for stack in chosen})),
        threads=_mark(record.threads, chosen),
        details=_note(record),
    )


def _place(stack: ThreadStack, target: str) -> str:
    frame = evidence.innermost(stack.frames, target)
    return evidence.place_of(frame) if frame else ""


def _describe(stack: ThreadStack, target: str) -> str:
    frame = evidence.innermost(stack.frames, target)
    return f"{stack.thread} in {evidence.describe_frame(frame)}" if frame else stack.thread


def _mark(threads: Sequence[ThreadStack], failed: Sequence[ThreadStack]) -> tuple[ThreadStack, ...]:
    return tuple(replace(stack, current=stack in failed) for stack in threads)


def _rest(record: TrialRecord) -> dict[str, Any]:
    return {"threads": record.threads, "details": _note(record)}


def _note(record: TrialRecord) -> dict[str, Any]:
    return {"note": record.note} if record.note else {}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _names(operations: Sequence[RecordedOperation]) -> str:
    return ", ".join(sorted({operation.name for operation in operations}))


def _last_begun(operations: Sequence[RecordedOperation]) -> str:
    """One name, not the set: the set of what was in flight differs from sighting to sighting."""
    flying = evidence.in_flight(operations)
    return flying[-1].name if flying else ""
