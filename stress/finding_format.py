"""A finding as JSON: the text of `finding.json`, and the reading of what other versions wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from stress.errors import InvalidArgument
from stress.events import Anchor, Event
from stress.finding import Finding, FindingKind, Frame, RecordedOperation, ThreadStack
from stress.schedule import Schedule

FORMAT = "hermes-stress finding"
FORMAT_VERSION = 1

_TEXTS = ("message", "fingerprint", "oracle", "place", "workload", "target", "tool_version")
_MORE_TEXTS = ("condition", "stdout_tail", "stderr_tail", "replay_command", "directory")
_WHOLE = ("seed", "trial", "count")
_MAPPINGS = ("plan", "settings", "python", "details")


#: Of a longer trace the first and the last events are kept: `Event.step` tells where the gap is.
TRACE_HEAD, TRACE_TAIL = 1_000, 4_000


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """The finding as JSON values, its format named; `finding_from_json` gives an equal one back.

    But for a trace that is longer than any reader: see `TRACE_HEAD`. Its schedule is always whole.
    """
    # The trace apart: to copy a hundred thousand events that then are left out takes seconds.
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "id": finding.id,
        **asdict(replace(finding, schedule=None, trace=())),
    }
    value["schedule"] = finding.schedule.to_json() if finding.schedule else None
    value["trace"] = [asdict(event) for event in _kept(finding.trace)]
    return value


def _kept(trace: tuple[Event, ...]) -> tuple[Event, ...]:
    if len(trace) <= TRACE_HEAD + TRACE_TAIL:
        return trace
    return trace[:TRACE_HEAD] + trace[-TRACE_TAIL:]


def encode_finding(finding: Finding) -> str:
    """The text of `finding.json`. ASCII, so that no captured output can make it unwritable."""
    value = finding_to_json(finding)
    schedule, trace = value.pop("schedule"), value.pop("trace")
    head = json.dumps(value, indent=2, default=str).removesuffix("\n}")
    # A step is a line: by the thousand they are read, and compared, better that way.
    steps = ",".join(f"\n    {json.dumps(event)}" for event in trace)
    end = f"[{steps}\n  ]" if trace else "[]"
    return f'{head},\n  "schedule": {_lines(schedule)},\n  "trace": {end}\n}}\n'


def _lines(schedule: Mapping[str, Any] | None) -> str:
    if schedule is None:
        return "null"
    rest = {name: member for name, member in schedule.items() if name != "switches"}
    head = json.dumps(rest, indent=4).removesuffix("\n}")
    switches = ",".join(f"\n      {json.dumps(switch)}" for switch in schedule["switches"])
    return f'{head},\n    "switches": [{switches}]\n  }}'


def decode_finding(text: str, source: str) -> Finding:
    """The finding written in `text`, which came from `source` (named in errors).

    Raises InvalidArgument when the text is not JSON or `finding_from_json` refuses its value.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"{source} is not JSON ({error}); give the finding.json of a stored finding"
        ) from error
    return finding_from_json(value, source)


def finding_from_json(value: object, source: str) -> Finding:
    """Inverse of `finding_to_json`. Unknown members are ignored, missing ones take their default.

    Raises InvalidArgument on JSON that is not a finding, or that a newer version wrote.
    """
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise InvalidArgument(
            f"{source} is JSON, but not a finding; give a finding.json that hermes-stress wrote"
        )
    version = value.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InvalidArgument(f"{source} has the format version {version!r}, which never existed")
    if version > FORMAT_VERSION:
        raise InvalidArgument(
            f"{source} was written by a newer hermes-stress (format {version}, this one reads "
            f"up to {FORMAT_VERSION}); upgrade hermes-stress to read it"
        )
    try:
        return _finding(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"{source}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"{source} is a damaged finding ({type(error).__name__}: {error}); find it again"
        ) from error


def _finding(value: Mapping[str, Any]) -> Finding:
    for name in ("kind", "message", "fingerprint", "seed"):
        if name not in value:
            raise ValueError(f"{name!r} is missing")
    known = {field.name for field in fields(Finding)}
    members = {name: member for name, member in value.items() if name in known}
    for name in members:
        _check(name, members[name])
    members["kind"] = FindingKind(members["kind"])
    if "threads" in members:
        members["threads"] = tuple(_stack(stack) for stack in members["threads"])
    if "operations" in members:
        members["operations"] = tuple(_operation(entry) for entry in members["operations"])
    if members.get("schedule") is not None:
        members["schedule"] = Schedule.from_json(members["schedule"])
    if "trace" in members:
        members["trace"] = tuple(_event(event) for event in members["trace"])
    return Finding(**members)


def _event(value: Mapping[str, Any]) -> Event:
    frame, preempted = value["frame"], value["preempted"]
    return Event(
        step=int(value["step"]),
        task=int(value["task"]),
        anchor=_anchor(value["anchor"]),
        subject=str(value["subject"]),
        ready=tuple(map(int, value["ready"])),
        frame=None if frame is None else _frame(frame),
        preempted=None if preempted is None else _anchor(preempted),
        value=str(value.get("value", "")),
    )


def _anchor(value: Mapping[str, Any]) -> Anchor:
    return Anchor(
        kind=str(value["kind"]),
        name=str(value["name"]),
        function=str(value["function"]),
        occurrence=int(value["occurrence"]),
    )


def _frame(value: Mapping[str, Any]) -> Frame:
    return Frame(str(value["file"]), int(value["line"]), str(value["function"]))


def _check(name: str, member: object) -> None:
    if name in _TEXTS + _MORE_TEXTS:
        right = isinstance(member, str)
    elif name in _WHOLE:
        right = isinstance(member, int) and not isinstance(member, bool)
    elif name in _MAPPINGS:
        right = isinstance(member, Mapping)
    elif name in ("signal", "exit_code"):
        right = member is None or (isinstance(member, int) and not isinstance(member, bool))
    elif name == "mutant":
        right = member is None or isinstance(member, str)
    else:
        right = True
    if not right:
        raise ValueError(f"{name!r} cannot be {json.dumps(member)[:40]}")


def _stack(value: Mapping[str, Any]) -> ThreadStack:
    return ThreadStack(
        thread=str(value["thread"]),
        frames=tuple(_frame(frame) for frame in value["frames"]),
        current=bool(value["current"]),
    )


def _operation(value: Mapping[str, Any]) -> RecordedOperation:
    return RecordedOperation(
        time_ns=int(value["time_ns"]),
        thread=str(value["thread"]),
        step=int(value["step"]),
        phase=str(value["phase"]),
        name=str(value["name"]),
    )
