"""A schedule in words, and the tasks of a deadlock, each of which waits for the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from stress.finding import Finding
from stress.schedule import Schedule

_HEAD, _TAIL = 6, 12
_WAITS_MAX = 24
_HEADING, _FAINT = "bold", "dim"


def schedule_text(finding: Finding) -> Text:
    """The switches in order; of many, the middle is left out. Empty without a schedule."""
    text = Text()
    schedule = finding.schedule
    if schedule is None:
        return text
    count = len(schedule.switches)
    text.append("\nschedule", _HEADING)
    switches = f"{count:,} switch{'es' if count != 1 else ''}"
    text.append(f" (seed {schedule.seed}; {switches}{_shrunk(finding, schedule)})\n", _FAINT)
    lines = [str(switch) for switch in schedule.switches] or ["tasks run as they can"]
    for line in _cut(lines):
        text.append(f"  {_printable(line)}\n")
    return text


def cycle_text(finding: Finding) -> Text:
    """Who waits for what at a deadlock, with who has it; empty for other findings."""
    text = Text()
    waits = finding.details.get("waits")
    if not isinstance(waits, Sequence) or isinstance(waits, str) or not waits:
        return text
    cycle = finding.details.get("cycle")
    if isinstance(cycle, Sequence) and not isinstance(cycle, str) and cycle:
        round_trip = " → ".join(f"task {number}" for number in (*cycle, cycle[0]))
        text.append("\nwho waits for whom: ", _HEADING)
        text.append(f"{round_trip}\n")
    else:
        text.append("\nwho waits\n", _HEADING)
    for sentence in waits[:_WAITS_MAX]:
        text.append(f"  {_printable(str(sentence))}\n")
    if len(waits) > _WAITS_MAX:
        text.append(f"  … {len(waits) - _WAITS_MAX} more tasks\n", _FAINT)
    return text


def _shrunk(finding: Finding, schedule: Schedule) -> str:
    how = finding.details.get("shrunk")
    if not isinstance(how, Mapping):
        return ""
    before, after = how["preemptions_before"], schedule.preemptions
    if before != after:
        return f"; shrunk from {before} preemptions to {after}"
    if how["switches_before"] != len(schedule.switches):
        return f"; shrunk from {how['switches_before']} switches"
    return ""


def _cut(lines: Sequence[str]) -> Sequence[str]:
    left = len(lines) - _HEAD - _TAIL
    return lines if left <= 1 else [*lines[:_HEAD], f"… {left:,} switches", *lines[-_TAIL:]]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
