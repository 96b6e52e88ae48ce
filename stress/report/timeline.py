"""The last operations of a trial as a table: a row an event, a column a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stress.evidence import in_flight
from stress.finding import RecordedOperation

_COLUMNS_MAX = 5
_ROWS_MAX = 32
_LAST_PER_THREAD = 4
_MARKS = {"begin": "▶", "end": "◀", "error": "✗", "note": "·", "whole": "▶◀"}


def timeline(operations: Sequence[RecordedOperation], width: int = 96) -> list[str]:
    """Lines of at most `width` characters; lists by thread where columns would be too narrow.

    Times are milliseconds since the trial began.
    """
    threads = sorted({operation.thread for operation in operations})
    if len(threads) <= _COLUMNS_MAX:
        rows = _folded(operations)
        return _columns(rows[-_ROWS_MAX:], threads, width, len(rows))
    return _lists(operations, threads, width)


def _folded(operations: Sequence[RecordedOperation]) -> list[RecordedOperation]:
    """The events, an operation that nothing came between as one: of those there are too many."""
    rows: list[RecordedOperation] = []
    for operation in operations:
        if operation.phase == "end" and rows and rows[-1] == _begun(operation, rows[-1].time_ns):
            rows[-1] = replace(rows[-1], phase="whole")
        else:
            rows.append(operation)
    return rows


def _begun(operation: RecordedOperation, time_ns: int) -> RecordedOperation:
    return replace(operation, phase="begin", time_ns=time_ns)


def _columns(
    operations: Sequence[RecordedOperation], threads: Sequence[str], width: int, total: int
) -> list[str]:
    column = (width - 11) // max(len(threads), 1)
    cells = [_cut(thread, column - 2).ljust(column) for thread in threads]
    lines = [f"{'ms':>9}  {''.join(cells)}".rstrip()]
    if total > len(operations):
        lines.append(f"{'…':>9}  {total - len(operations)} before")
    for operation in operations:
        place = " " * (column * threads.index(operation.thread))
        lines.append(f"{operation.time_ns / 1e6:>9.3f}  {place}{_cell(operation, column - 2)}")
    return lines


def _lists(
    operations: Sequence[RecordedOperation], threads: Sequence[str], width: int
) -> list[str]:
    flying = {operation.thread for operation in in_flight(operations)}
    lines = []
    # Threads in the middle of an operation first: the culprit is among them.
    for thread in sorted(threads, key=lambda thread: (thread not in flying, thread)):
        lines.append(thread)
        last = [operation for operation in operations if operation.thread == thread]
        for operation in last[-_LAST_PER_THREAD:]:
            lines.append(f"{operation.time_ns / 1e6:>11.3f}  {_cell(operation, width - 13)}")
    return lines


def _cell(operation: RecordedOperation, width: int) -> str:
    step = f" #{operation.step}" if operation.step >= 0 else ""
    mark = _MARKS.get(operation.phase, "?")
    return f"{mark} {_cut(operation.name, width - len(step) - len(mark) - 1)}{step}"


def _cut(text: str, width: int) -> str:
    # Names differ at their ends: `SessionDB.append`, `actor writer-1`.
    return text if len(text) <= width else "…" + text[len(text) - max(width - 1, 0) :]
