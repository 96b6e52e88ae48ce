"""Histories as pictures in text: a lane for each actor, time to the right."""

from __future__ import annotations

from collections.abc import Sequence

from stress.oracles.history import Call
from stress.oracles.linearizability.counterexample import Counterexample, invocation
from stress.oracles.linearizability.model import error_type

WIDTH = 96
#: So many calls are drawn, and so many characters of one.
MAX_CALLS, MAX_LABEL = 24, 40
_LANE = 16
_GAP = 2


def draw(example: Counterexample, width: int = WIDTH) -> str:
    """A counterexample: what is wrong, the calls that matter, and what was right until then.

    Lines of the picture have at most `width` characters; a longer one goes on below.
    """
    drawn = sorted(example.calls, key=lambda call: (call is not example.misfit, -call.ended_ns))
    drawn = sorted(drawn[:MAX_CALLS], key=lambda call: call.began_ns)
    lines = [example.reason, "", *draw_calls(drawn, example.misfit, width), ""]
    order = [invocation(call) for call in example.linearization]
    if len(order) > MAX_CALLS:
        order = [f"({len(order) - MAX_CALLS} calls)", *order[-MAX_CALLS:]]
    told = ", ".join(_cut(name) for name in order) if order else "nothing had to have happened"
    lines.append(f"a linearization until then: {told}")
    if len(drawn) < len(example.calls):
        lines.append(f"not drawn: {len(example.calls) - len(drawn)} earlier calls")
    if example.omitted:
        many = "1 other call has" if example.omitted == 1 else f"{example.omitted} others have"
        lines.append(f"{many} no part in it")
    if not example.shortest:
        lines.append("a limit was reached: an earlier call may be one that fits nowhere")
    return "\n".join(lines) + "\n"


def draw_calls(calls: Sequence[Call], misfit: Call | None = None, width: int = WIDTH) -> list[str]:
    """Lanes of calls, each from its beginning to its end: only the order of these is to scale.

    `[- name(arguments) → answer -]`; `!` for an exception, and an open end for who did not return.
    """
    columns = _columns(calls)
    total = max((end for _, end in columns), default=0)
    actors = sorted({call.actor for call in calls})
    lane = min(max(map(len, actors), default=0), _LANE)
    rows: list[tuple[str, list[str]]] = []
    for actor in actors:
        mine = [(c, *column) for c, column in zip(calls, columns, strict=True) if c.actor == actor]
        rows += [(_cut(actor, lane), row) for row in _bars(mine, total)]
        rows += [
            ("", list((" " * begin + "^" * (end - begin)).ljust(total)))
            for call, begin, end in mine
            if call is misfit
        ]
    step = max(width - lane - _GAP, 1)
    lines: list[str] = []
    for start in range(0, total, step):
        strip = [
            f"{name:<{lane}}{' ' * _GAP}{''.join(row[start : start + step])}".rstrip()
            for name, row in rows
        ]
        lines += [*([""] if lines else []), *strip]
    return _with_word(lines)


def _with_word(lines: list[str]) -> list[str]:
    return [f"{line} fits nowhere" if line.strip() and set(line) <= {" ", "^"} else line
            for line in lines]  # fmt: skip


def _bars(mine: Sequence[tuple[Call, int, int]], total: int) -> list[list[str]]:
    """The lane of an actor; more than one where its own calls overlap."""
    rows: list[list[str]] = []
    free: list[int] = []
    for call, begin, end in sorted(mine, key=lambda item: item[1]):
        number = next((n for n, column in enumerate(free) if column <= begin), len(rows))
        if number == len(rows):
            rows.append([" "] * total)
            free.append(0)
        free[number] = end
        rows[number][begin:end] = _bar(call, end - begin)
    return rows


def _columns(calls: Sequence[Call]) -> list[tuple[int, int]]:
    """Where each call begins and ends: in the order of time, and with room for what is said."""
    events: list[tuple[float, int, int]] = []
    for number, call in enumerate(calls):
        events.append((call.began_ns, 0, number))
        events.append((call.ended_ns if not call.pending else float("inf"), 1, number))
    column = 0
    begins, ends = [0] * len(calls), [0] * len(calls)
    for _, is_end, number in sorted(events):
        if is_end:
            column = max(column, begins[number] + len(_label(calls[number])) + 6)
            ends[number] = column
        else:
            begins[number] = column
        column += 1
    return list(zip(begins, ends, strict=True))


def _bar(call: Call, length: int) -> str:
    inner = f"[- {_label(call)} "
    return inner.ljust(length - 1, "-") + ("" if call.pending else "]").rjust(1, ">")


def _label(call: Call) -> str:
    if call.pending:
        return _cut(invocation(call))
    answer = f"! {error_type(call)}" if call.error else f"→ {call.result!r}"
    return _cut(f"{invocation(call)} {answer}")


def _cut(text: str, width: int = MAX_LABEL) -> str:
    """`text` on one line, without its middle where it is too long."""
    text = " ".join(text.split())
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return f"{text[:left]}…{text[len(text) - (width - 1 - left) :]}"
