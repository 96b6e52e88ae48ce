"""The interleaving of a finding as a table: a column a task, a row an operation, in their order.

What matters stays: operations on what several tasks share, and where tasks start and end. Runs of
other steps are folded into one row, and of a long table the middle is left out.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from rich.text import Text

from stress.events import Event
from stress.explanation import Variable, is_preempted, only_reads, until_end, variable_of
from stress.finding import Finding

#: After an operation: its task could have gone on, and another one did.
PREEMPTED = "⇥"
_HEAD_ROWS, _TAIL_ROWS = 20, 50
_COLUMN_MIN, _COLUMN_MAX, _PLACE_MAX = 14, 40, 26
_BAD, _FAINT, _HEADING = "bold red", "dim", "bold"

_WORDS = {
    "begin": "begins",
    "sleep": "sleeps",
    "yield": "yields",
    "read item": "read item of",
    "write item": "write item of",
    "delete item": "delete item of",
    "contains": "search",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `task` is None where it is about several; an `end` may be wider than its column."""

    task: int | None
    text: str
    place: str = ""
    preempted: bool = False
    times: int = 1
    style: str = ""
    end: bool = False


def interleaving_text(finding: Finding, width: int) -> Text:
    """The table of a finding, in lines of at most `width` characters; empty without a trace."""
    text = Text()
    rows = _cut(_folded(_rows(finding)))
    if not rows:
        return text
    tasks = sorted({row.task for row in rows if row.task is not None})
    names = _names(finding)
    legend = f" ({PREEMPTED} could have gone on: another task went first)"
    text.append("\ninterleaving", _HEADING)
    text.append(f"{legend}\n" if any(row.preempted for row in rows) else "\n", _FAINT)
    gutter = min(max(len(row.place) for row in rows), _PLACE_MAX)
    column = min((width - gutter - 4) // max(len(tasks), 1), _COLUMN_MAX)
    if column >= _COLUMN_MIN:
        _append_columns(text, rows, tasks, names, gutter, column, width)
    else:
        _append_list(text, rows, tasks, names, gutter, width)
    return text


def words_of(trace: Sequence[Event]) -> Callable[[Event], str]:
    """How the operations of a trace are told."""
    return _Words(trace, [True] * len(trace)).words


def _append_columns(
    text: Text,
    rows: Sequence[Row],
    tasks: Sequence[int],
    names: Mapping[int, str],
    gutter: int,
    column: int,
    width: int,
) -> None:
    heads = "".join(_shortened(names[task], column - 2).ljust(column) for task in tasks)
    text.append(f"  {'':{gutter}}  {heads}".rstrip() + "\n", _HEADING)
    for row in rows:
        text.append(f"  {_end_of(row.place, gutter):{gutter}}  ", _FAINT)
        if row.task is None:
            text.append(f"{_shortened(row.text, column * len(tasks))}\n", row.style)
            continue
        before = column * tasks.index(row.task)
        text.append(" " * before)
        space = width - gutter - 4 - before if row.end else column - 2
        text.append(f"{_cell(row, space)}\n", row.style)


def _append_list(
    text: Text,
    rows: Sequence[Row],
    tasks: Sequence[int],
    names: Mapping[int, str],
    gutter: int,
    width: int,
) -> None:
    head = min(max(len(names[task]) for task in tasks), 24)
    for row in rows:
        text.append(f"  {_end_of(row.place, gutter):{gutter}}  ", _FAINT)
        name = "" if row.task is None else _shortened(names[row.task], head)
        text.append(f"{name:{head}}  ", _HEADING)
        text.append(f"{_cell(row, max(width - gutter - head - 6, 1))}\n", row.style)


def _rows(finding: Finding) -> Iterator[Row]:
    ends = _ends(finding)
    trace = until_end(finding.trace, ends)
    if not trace:
        return
    told = _Words(trace, _matters(trace, ends))
    run: list[Event] = []
    for number, event in enumerate(trace):
        following = trace[number + 1] if number + 1 < len(trace) else None
        if number and event.step != trace[number - 1].step + 1:
            yield from told.folded(run, None)
            run = []
            missing = f"… steps {trace[number - 1].step + 1} to {event.step - 1} are not kept"
            yield Row(None, missing, style=_FAINT)
        if told.matters[number]:
            yield from told.folded(run, event)
            run = []
            yield Row(event.task, told.words(event), _place(event), is_preempted(event, following))
        else:
            run.append(event)
    yield from told.folded(run, None)
    for end in ends:
        place = f"{_base(str(end.get('file', '')))}:{end.get('line')}" if end.get("file") else ""
        told_end = f"✗ {_one_line(str(end['text']))}"
        yield Row(int(end["task"]), told_end, place, style=_BAD, end=True)


class _Words:
    """How the events of one trace are told."""

    def __init__(self, trace: Sequence[Event], matters: Sequence[bool]) -> None:
        self.matters = matters
        self._involved = {e.task for e, matter in zip(trace, matters, strict=True) if matter}
        self._preempted = {
            before.step for before, after in pairwise(trace) if is_preempted(before, after)
        }
        self._started = _started(trace)
        owners: dict[str, set[str]] = {}
        for event, matter in zip(trace, matters, strict=True):
            if matter and event.anchor.name:
                owners.setdefault(event.anchor.name, set()).add(event.subject)
        self._ambiguous = {name for name, subjects in owners.items() if len(subjects) > 1}

    def words(self, event: Event) -> str:
        """The operation: `write balance`, `acquire Lock 2`, `call append on list 6`."""
        kind, name, subject = event.anchor.kind, event.anchor.name, event.subject
        if event.step in self._started:
            return f"start task {self._started[event.step]}"
        verb = _WORDS.get(kind, kind)
        if kind in ("begin", "sleep", "yield"):
            return verb
        if kind in ("read", "write", "delete") and name:
            of = f" of {subject}" if subject and name in self._ambiguous else ""
            return f"{verb} {name}{of}" + (f" = {event.value}" if event.value else "")
        after = f" → {event.value}" if event.value else ""
        if kind == "call" and name and subject:
            return f"{name} {'of' if hasattr(builtins, name) else 'on'} {subject}{after}"
        if kind == "call":
            return f"{verb} {name or subject}"
        return f"{verb} {subject or name}".rstrip() + after

    def folded(self, run: Sequence[Event], following: Event | None) -> Iterator[Row]:
        """A run of steps that do not matter, as at most one row."""
        tasks = sorted({event.task for event in run})
        if not run or (
            # That a task begins goes without saying where it goes on at once.
            len(run) == 1
            and run[0].anchor.kind == "begin"
            and following is not None
            and following.task == run[0].task
        ):
            return
        last = run[-1].step in self._preempted
        steps = f"{len(run):,} step{'s' if len(run) > 1 else ''}"
        if len(tasks) == 1 and tasks[0] in self._involved:
            if len(run) == 1 and run[0].anchor.kind != "iterate":
                yield Row(tasks[0], self.words(run[0]), _place(run[0]), last, style=_FAINT)
            else:
                yield Row(tasks[0], f"… {steps}", "", last, style=_FAINT)
            return
        yield Row(None, f"… {steps} of {_tasks(tasks)}", style=_FAINT)


def _tasks(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"task {numbers[0]}"
    if len(numbers) > 6:
        return f"{len(numbers)} tasks"
    return f"tasks {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _matters(trace: Sequence[Event], ends: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which events are worth a row: starts, and operations on what several tasks share."""
    shared = _shared(trace, ends)
    first = _first_of_another(trace)
    last = {event.task: number for number, event in enumerate(trace)}
    final = {last[int(end["task"])] for end in ends if int(end["task"]) in last}
    return [
        event.anchor.kind == "start"
        or number in final
        # Before there is anybody else, nothing is shared yet.
        or (number >= first and variable_of(event) in shared)
        for number, event in enumerate(trace)
    ]


def _shared(trace: Sequence[Event], ends: Sequence[Mapping[str, Any]]) -> frozenset[Variable]:
    """Variables that two tasks touch at times when both are there, and one changes."""
    touching: dict[Variable, set[int]] = {}
    changed: set[Variable] = set()
    for event in trace[_first_of_another(trace) :]:
        variable = variable_of(event)
        if variable is not None:
            touching.setdefault(variable, set()).add(event.task)
            if not only_reads(event):
                changed.add(variable)
    waited_for = {(str(subject), "") for end in ends for subject in end.get("subjects", ())}
    several = {variable for variable, tasks in touching.items() if len(tasks) > 1}
    return frozenset(several & changed) | waited_for


def _first_of_another(trace: Sequence[Event]) -> int:
    first = trace[0].task
    return next((n for n, event in enumerate(trace) if event.task != first), len(trace))


def _started(trace: Sequence[Event]) -> Mapping[int, int]:
    """Step of a start to the number of the task that it made; empty where they do not match."""
    starts = [event.step for event in trace if event.anchor.kind == "start"]
    tasks = {event.task for event in trace}
    # Tasks are numbered by creation. One that never ran left no event, but has its start.
    if tasks and max(tasks) > len(starts):
        return {}
    return {step: number for number, step in enumerate(starts, 1)}


def _folded(rows: Iterator[Row]) -> list[Row]:
    """The rows, equal ones in a row as one: a loop that spins does the same for ever."""
    folded: list[Row] = []
    for row in rows:
        if folded and replace(folded[-1], times=1, preempted=False) == replace(
            row, preempted=False
        ):
            times = folded[-1].times + 1
            folded[-1] = replace(row, times=times, preempted=row.preempted)
        else:
            folded.append(row)
    return folded


def _cut(rows: list[Row]) -> list[Row]:
    left = len(rows) - _HEAD_ROWS - _TAIL_ROWS
    if left <= 1:
        return rows
    middle = Row(None, f"… {left:,} rows left out", style=_FAINT)
    return [*rows[:_HEAD_ROWS], middle, *rows[-_TAIL_ROWS:]]


def _names(finding: Finding) -> Mapping[int, str]:
    """Each task by number, with the name of its thread, else of the function that it is in."""
    known = finding.details.get("tasks")
    told = known.items() if isinstance(known, Mapping) else ()
    threads = {int(number): str(name) for number, name in told if str(number).isdecimal()}
    functions: dict[int, Counter[str]] = {}
    names: dict[int, str] = {}
    for event in finding.trace:
        names[event.task] = f"task {event.task}"
        if event.frame is not None:
            function = event.frame.function.rpartition(".")[2]
            functions.setdefault(event.task, Counter())[function] += 1
    for end in _ends(finding):
        names[int(end["task"])] = f"task {end['task']}"
    for task, counted in functions.items():
        names[task] += f" ({counted.most_common(1)[0][0]})"
    return names | {task: f"task {task} ({name})" for task, name in threads.items() if name}


def _ends(finding: Finding) -> Sequence[Mapping[str, Any]]:
    """How tasks ended, as the diagnosis told it: task, text, place and the objects waited for."""
    ends = finding.details.get("ends")
    if not isinstance(ends, Sequence) or isinstance(ends, str):
        return ()
    return [
        end
        for end in ends
        if isinstance(end, Mapping) and isinstance(end.get("task"), int) and "text" in end
    ]


def _place(event: Event) -> str:
    return f"{_base(event.frame.file)}:{event.frame.line}" if event.frame else ""


def _base(file: str) -> str:
    return file.rpartition("/")[2]


def _cell(row: Row, width: int) -> str:
    tail = f" ×{row.times:,}" if row.times > 1 else ""
    tail += f" {PREEMPTED}" if row.preempted else ""
    return _shortened(row.text, max(width - len(tail), 1)) + tail


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _end_of(text: str, width: int) -> str:
    # The line number is at the end.
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text.strip().partition("\n")[0])
