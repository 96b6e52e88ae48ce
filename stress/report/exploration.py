"""What a person reads of an exploration, and of the replay of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from stress.finding import Finding, Verdict
from stress.report.console import VERDICT_STYLES, duration, one_line

if TYPE_CHECKING:
    # For that alone nobody has to load the engine.
    from stress.exploration import Exploration

_BAD, _UNSURE, _GOOD, _HEADING = "bold red", "bold yellow", "bold green", "bold"


def exploration_text(
    exploration: Exploration, again: str = "", unsaved: tuple[str, ...] = ()
) -> Text:
    """The end of an exploration; `again` is the command that does the same once more."""
    counts = exploration.statistics
    text = Text()
    text.append(f"{counts.executions:,} execution{_s(counts.executions)}")
    text.append(f" in {duration(counts.elapsed_s)} ({counts.executions_per_s:,.0f}/s): ")
    text.append(f"{counts.steps:,} steps, {counts.context_switches:,} context switches, ")
    text.append(f"{counts.preemptions:,} of them preemptions, ")
    text.append(f"at most {counts.tasks_max} task{_s(counts.tasks_max)}\n")
    if counts.scheduled < 1:
        text.append(
            f"scheduled: {counts.scheduled:.0%} of the operations with a choice; the others "
        )
        text.append("touch nothing that is seen to be shared\n")
    seen = counts.coverage
    if seen is not None:
        text.append(f"seen: {seen.interleavings:,} interleaving{_s(seen.interleavings)}, ")
        text.append(f"{seen.reads_from:,} pair{_s(seen.reads_from)} of a write and a read, ")
        text.append(f"{seen.orders:,} order{_s(seen.orders)} at shared objects; ")
        text.append(f"the last new in execution {seen.last_new:,}\n")
    for finding in exploration.findings:
        text.append(f"  {finding.id}", _BAD)
        text.append(f" ×{finding.count}  {one_line(finding.message)}\n")
    for sentence in unsaved:
        text.append(f"{sentence}\n", _BAD)
    for notice in exploration.notices:
        text.append(f"note: {one_line(notice, 1000)}\n", _UNSURE)
    text.append(f"stopped: {exploration.reason}\n")
    text.append(f"verdict: {exploration.verdict.value}", VERDICT_STYLES[exploration.verdict])
    text.append(f"{_bound(exploration)}\n")
    if again:
        text.append("explore the same again: ")
        text.append(f"{again}\n", _HEADING)
    return text


def replayed_text(finding: Finding, replayed: Exploration) -> Text:
    """What came of one execution under the schedule of a finding."""
    text = Text()
    if any(again.fingerprint == finding.fingerprint for again in replayed.findings):
        text.append(f"{finding.id}: reproduced", _BAD)
        text.append(", by one execution under its schedule\n")
    elif replayed.findings:
        text.append(f"{finding.id}: not reproduced", _UNSURE)
        text.append("; under its schedule the program shows another defect\n")
    elif replayed.verdict is Verdict.UNKNOWN:
        text.append(f"{finding.id}: unknown", _UNSURE)
        text.append(f": {replayed.reason}\n")
    else:
        text.append(f"{finding.id}: not reproduced", _GOOD)
        text.append(
            "; the program now runs clean under its schedule, which says nothing of other "
            f"schedules: `hermes-stress explore {finding.workload}` tries them\n"
        )
    return text


def shrunk_text(finding: Finding) -> Text:
    """How much smaller the schedule of a finding became."""
    assert finding.schedule is not None
    how = finding.details["shrunk"]
    before = how["preemptions_before"], how["switches_before"]
    after = finding.schedule.preemptions, len(finding.schedule.switches)
    preemptions, switches = f"{after[0]} preemption{_s(after[0])}", _switches(after[1])
    tried = f"in {how['executions']:,} executions\n"
    if before == after:
        return Text(f"no smaller schedule than its {preemptions} and {switches} was found {tried}")
    text = Text(f"shrunk from {before[0]} to {preemptions}")
    return text.append(f", and from {before[1]} to {switches}, {tried}")


def diverged_text(finding: Finding, divergence: str) -> Text:
    """That the program cannot follow the schedule of a finding: where, expected and found."""
    text = Text()
    text.append(f"{finding.id}: diverged", _UNSURE)
    where, _, difference = divergence.partition(": ")
    expected, _, found = difference.partition("; found that ")
    if found:
        number = where.removeprefix("switch ")
        # Counted from 0, which is nobody's first.
        where = f"switch {int(number) + 1}" if number.isdecimal() else where
        text.append(f" at {where} of {len(finding.schedule.switches) if finding.schedule else 0}\n")
        text.append(f"  expected: {expected.removeprefix('expected that ')}\n")
        text.append(f"  found: {found}\n")
    else:
        text.append(f": {divergence}\n")
    text.append(
        "the program has changed since, or does not do the same twice; "
        f"`hermes-stress explore {finding.workload}` looks anew\n"
    )
    return text


def _bound(exploration: Exploration) -> str:
    if exploration.verdict is Verdict.VIOLATED:
        count = len(exploration.findings)
        return f", {count} finding{_s(count)}"
    risk = exploration.statistics.residual_risk
    if exploration.verdict is Verdict.HOLDS and exploration.statistics.complete:
        return " for this program and its input: there are no other interleavings"
    if exploration.verdict is Verdict.HOLDS and risk is not None:
        sampled = exploration.statistics.clean_executions
        return (
            f" so far; none of {sampled:,} random execution{_s(sampled)} failed: at 95 %, fewer "
            f"than {risk:.2%} of them do"
        )
    return ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _switches(count: int) -> str:
    return f"{count} switch{'' if count == 1 else 'es'}"
