"""What a person reads on the terminal: a run's summary, a finding, a crash, a replay.

Everything is built as styled text. Printed through a rich console it has colours on a terminal
(and none with NO_COLOR); its `.plain` is the same text anywhere, byte for byte.
"""

from __future__ import annotations

import signal as signals
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from stress.evidence import in_flight
from stress.finding import Finding, RecordedOperation, ThreadStack, Verdict
from stress.report.interleaving import interleaving_text
from stress.report.schedule import cycle_text, schedule_text
from stress.report.stacks import append_threads
from stress.report.timeline import timeline
from stress.report.why import why_text

if TYPE_CHECKING:
    # A crashed test is rendered here too, and should not import every workload for it.
    from stress.api import Replay, Run

#: Of tables, where nobody says how wide the reader's screen is.
WIDTH = 100
_BAD, _GOOD, _UNSURE = "bold red", "bold green", "bold yellow"
_HEADING, _FAINT, _OURS = "bold", "dim", "bold cyan"
_TAIL_LINES_MAX = 12
# What other sections of the report tell.
_TWO_WORDS = ("step_limit",)
_TOLD_ELSEWHERE = frozenset(
    {"traceback", "tasks", "shrunk", "found_by", "conflict", "ends", "waits", "cycle", "remedy"}
)
_INDENTED: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "  "}
VERDICT_STYLES = {
    Verdict.HOLDS: _GOOD,
    Verdict.VIOLATED: _BAD,
    Verdict.UNKNOWN: _UNSURE,
}


def render_finding(finding: Finding, width: int = WIDTH) -> str:
    """A finding as plain text: what is wrong, where, what led to it, how to run it again.

    Its tables keep to `width` characters.
    """
    return finding_text(finding, width).plain


def finding_text(finding: Finding, width: int = WIDTH) -> Text:
    """`render_finding` with styles."""
    text = Text()
    text.append("\n".join(map(_printable, finding.message.splitlines())) + "\n", _BAD)
    times = "once" if finding.count == 1 else f"{finding.count:,} times"
    judge = f" · told by oracle {finding.oracle}" if finding.oracle else ""
    finder = f" · found by {finding.details['found_by']}" if "found_by" in finding.details else ""
    text.append(f"{finding.id} · {finding.kind.value} · seen {times}{judge}{finder}\n")
    # The first line of a finding of controlled execution says where.
    if finding.place and finding.schedule is None:
        text.append(f"in {finding.place}\n")
    _append_details(text, finding)
    text.append(interleaving_text(finding, width))
    text.append(why_text(finding, width))
    append_threads(text, finding.threads, finding.target)
    text.append(cycle_text(finding))
    _append_remedy(text, finding, width)
    _append_operations(text, finding.operations)
    _append_tail(text, "stdout", finding.stdout_tail)
    _append_tail(text, "stderr", finding.stderr_tail)
    text.append(schedule_text(finding))
    text.append("\n")
    text.append(_origin(finding))
    _append_command(text, finding.replay_command)
    return text


def render_crash(
    title: str,
    *,
    signal: int | None = None,
    exit_code: int | None = None,
    threads: Sequence[ThreadStack] = (),
    operations: Sequence[RecordedOperation] = (),
    stdout_tail: str = "",
    stderr_tail: str = "",
    command: str = "",
) -> str:
    """A crashed process as plain text, for reports that are not findings: a crashed test."""
    text = Text(f"{title}\n")
    if signal is not None:
        text.append(f"ended by {_signal_name(signal)}\n")
    elif exit_code is not None:
        text.append(f"exit code {exit_code}\n")
    append_threads(text, threads, "")
    _append_operations(text, operations)
    _append_tail(text, "stdout", stdout_tail)
    _append_tail(text, "stderr", stderr_tail)
    _append_command(text, command)
    return text.plain


def render_summary(run: Run, again: str = "") -> str:
    """The end of a run as plain text; `again` is the command that runs it again."""
    return summary_text(run, again).plain


def summary_text(run: Run, again: str = "") -> Text:
    """`render_summary` with styles."""
    statistics = run.statistics
    text = Text()
    conditions = ", ".join(f"{n:,} {name}" for name, n in sorted(statistics.conditions.items()))
    text.append(f"{statistics.trials:,} trials")
    text.append(f" in {duration(statistics.elapsed_s)} ({statistics.trials_per_s:.1f}/s)")
    text.append(f": {conditions}\n" if conditions else "\n")
    text.append(f"{statistics.operations:,} operations, at most {statistics.threads_max} threads, ")
    text.append(f"{statistics.concurrent_trials:,} trials with threads at work at the same time\n")
    for finding in run.findings:
        text.append(f"  {finding.id}", _BAD)
        text.append(f" ×{finding.count}  {one_line(finding.message)}\n")
    for sentence in run.unsaved:
        text.append(f"{sentence}\n", _BAD)
    text.append(f"stopped: {run.reason}\n")
    text.append(f"verdict: {run.verdict.value}", VERDICT_STYLES[run.verdict])
    text.append(f"{_bound(run)}\n")
    saved = next((f for f in run.findings if f.directory), None)
    command = saved.replay_command if saved else again
    _append_command(text, command)
    return text


def replay_text(finding: Finding, replay: Replay, bound: float) -> Text:
    """What came of running a finding again.

    `bound` is the highest rate (0 to 1) that none of so many attempts still allows, at 95 %.
    """
    text = Text()
    share = f"{replay.reproduced:,} of {replay.attempts:,} attempts reproduced it"
    text.append(f"{finding.id}: {share}\n", _BAD if replay.reproduced else _UNSURE)
    if not replay.reproduced and replay.attempts:
        text.append(f"its rate is below {bound:.1%} an attempt, at 95 % confidence\n")
    for other in replay.other:
        text.append(f"another defect: {other.id}  {one_line(other.message)}\n", _BAD)
    return text


def findings_text(findings: Sequence[Finding]) -> Text:
    """A line per finding, the most frequent first."""
    text = Text()
    for finding in sorted(findings, key=lambda finding: (-finding.count, finding.id)):
        mutant = f" [mutant {finding.mutant}]" if finding.mutant else ""
        text.append(f"{finding.id:<32}", _BAD)
        text.append(f" ×{finding.count:<6,} {finding.workload}{mutant}  ")
        text.append(f"{one_line(finding.message)}\n")
    return text


def duration(seconds: float) -> str:
    """Seconds for a person: `4.2 s`, `3 min 07 s`, `1 h 02 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _bound(run: Run) -> str:
    if run.verdict is Verdict.VIOLATED:
        return f", {len(run.findings)} finding{'s' if len(run.findings) != 1 else ''}"
    if run.verdict is Verdict.HOLDS and run.statistics.residual_risk is not None:
        risk = run.statistics.residual_risk
        return f" so far; a defect of these trials has a rate below {risk:.2%}, at 95 % confidence"
    return ""


def _append_details(text: Text, finding: Finding) -> None:
    for name, value in finding.details.items():
        if name in _TOLD_ELSEWHERE:
            continue
        if isinstance(value, list | tuple):
            lines = "".join(f"    {one_line(str(one))}\n" for one in value)
            text.append(f"  {name}:\n{lines}", _FAINT)
        else:
            text.append(f"  {name}: {one_line(str(value))}\n", _FAINT)


def _append_remedy(text: Text, finding: Finding, width: int) -> None:
    remedy = finding.details.get("remedy")
    if remedy:
        text.append("\nwhat would repair it\n", _HEADING)
        text.append(textwrap.fill(f"{remedy}\n", width, **_INDENTED) + "\n")


def _append_operations(text: Text, operations: Sequence[RecordedOperation]) -> None:
    if not operations:
        return
    text.append("\nlast operations\n", _HEADING)
    text.append("".join(f"  {line}\n" for line in timeline(operations)))
    names = [f"{op.name} ({op.thread})" for op in in_flight(operations)]
    if names:
        text.append(f"  in flight: {', '.join(names)}\n")


def _append_tail(text: Text, name: str, tail: str) -> None:
    lines = tail.rstrip("\n").splitlines() if tail.strip() else []
    if not lines:
        return
    text.append(f"\nend of {name}\n", _HEADING)
    if len(lines) > _TAIL_LINES_MAX:
        text.append(f"  … {len(lines) - _TAIL_LINES_MAX} lines before\n", _FAINT)
    for line in lines[-_TAIL_LINES_MAX:]:
        text.append(f"  {_printable(line)}\n")


def _append_command(text: Text, command: str) -> None:
    if command:
        text.append("run it again: ")
        text.append(f"{command}\n", _HEADING)


def _origin(finding: Finding) -> str:
    kind = "workload" if finding.schedule is None else "program"
    what = [f"{kind} {finding.workload}"] if finding.workload else []
    if finding.mutant:
        what.append(f"mutant {finding.mutant}")
    what.append(f"seed {finding.seed}")
    what += [f"execution {finding.trial}"] if finding.schedule is not None else []
    what += [_setting(*item) for item in finding.settings.items() if item[1] is not None]
    python = finding.python
    lines = [" · ".join(what)]
    if python:
        threads = " free-threaded" if python.get("free_threaded") else ""
        name = f"{python.get('implementation', 'Python')} {python.get('version', '')}"
        lines.append(f"{name}{threads} on {python.get('platform', 'an unknown platform')}")
    lines[-1] += f" · hermes-stress {finding.tool_version}" if finding.tool_version else ""
    if finding.directory:
        lines.append(f"kept in {finding.directory}")
    return "\n".join(lines) + "\n"


def _setting(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{name} {'on' if value else 'off'}"
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return f"{name.replace('_', ' ')} {value}" if name in _TWO_WORDS else f"{name} {value}"


def one_line(text: str, width: int = 160) -> str:
    """The text as one line of at most so many characters, all of them harmless."""
    line = _printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def _printable(text: str) -> str:
    """The text without control characters: captured output must not steer the terminal."""
    return "".join(c if c.isprintable() else "�" for c in text.expandtabs(4))


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
