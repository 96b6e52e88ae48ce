"""Why the interleaving of a finding fails: what preemptions do, and which operations conflict."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.text import Text

from stress.explanation import Reason, preemptions, reason_of, until_end
from stress.finding import Finding
from stress.frame import Frame
from stress.report.interleaving import words_of
from stress.report.stacks import append_frames

_HEAD, _TAIL = 3, 3
_HEADING, _FAINT = "bold", "dim"


def why_text(finding: Finding, width: int) -> Text:
    """A sentence for each preemption, and the stacks of the two operations that conflict."""
    text = Text()
    trace = until_end(finding.trace, finding.details.get("ends"))
    places = preemptions(trace)
    left = len(places) - _HEAD - _TAIL
    shown = places if left <= 0 else [*places[:_HEAD], *places[-_TAIL:]]
    found = [reason_of(trace, place) for place in shown]
    if any(reason.steps for reason in found):
        # That others just go first, the schedule tells as well.
        found = [reason for reason in found if reason.steps]
    if found:
        text.append("\nwhy it fails\n", _HEADING)
    for reason in found:
        lines = textwrap.wrap(_sentence(reason), width - 4) or [""]
        text.append(f"  {lines[0]}\n" + "".join(f"    {line}\n" for line in lines[1:]))
    if left > 0:
        text.append(f"  … and {left:,} more preemptions between these\n", _FAINT)
    text.append(_conflict_text(finding))
    return text


def _conflict_text(finding: Finding) -> Text:
    text = Text()
    conflict = finding.details.get("conflict")
    if not isinstance(conflict, Sequence) or isinstance(conflict, str):
        return text
    events = {event.step: event for event in finding.trace}
    words = words_of(finding.trace)
    text.append("\nthe operations that conflict\n", _HEADING)
    for operation in conflict:
        event = events.get(operation["step"]) if isinstance(operation, Mapping) else None
        if event is None:
            continue
        text.append(f"  task {event.task}: {words(event)}\n", _HEADING)
        frames = [
            Frame(str(file), int(line), str(name)) for file, line, name in operation["frames"]
        ]
        append_frames(text, frames, finding.target)
    return text


def _sentence(reason: Reason) -> str:
    about = f", about to {reason.about}," if reason.about else ""
    return f"task {reason.task}{about} is preempted: {reason.text}"
