"""Suspicions in words: with the places of their steps in the source, and what things are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import CodeType
from typing import NamedTuple

from stress import evidence
from stress.detect.dependence import Span
from stress.detect.names import SOME, name_of_lock, name_of_place
from stress.detect.suspicion import Suspicion
from stress.detect.trace import Position, Trace
from stress.engine.places import Stack, source_of, span_of
from stress.frame import Frame

#: Where both tasks do the same.
_TWICE = re.compile(r"(?<=over all of )(.+) and of \1$")
_HOLE = re.compile(r"\{(?:(what)|lock:(\d+)|span:(\d+):(\d+)|(\d+))\}")


class Told(NamedTuple):
    """What is told of a suspicion; `place` is the same for every sighting of one defect."""

    message: str
    place: str
    remedy: str


def told(
    suspicion: Suspicion,
    trace: Trace,
    *,
    frame_of: Callable[[int], Frame | None],
    source_at: Callable[[int], str],
    name_of: Callable[[int], str],
) -> Told:
    """The suspicion with its holes filled. The functions know steps: their frame, what stands there
    in the source, and what the object is called where it has no name."""
    names = (name_of_place(trace, step, source_at(step)) for step in suspicion.steps)
    named = list(dict.fromkeys(filter(None, names)))
    what = suspicion.what or ", ".join([name for name in named if name != SOME] or named)

    def fill(hole: re.Match[str]) -> str:
        is_what, lock, first, last, number = hole.groups()
        if is_what:
            return filled(suspicion.what) if suspicion.what else what
        if lock:
            return name_of_lock(trace, int(lock)) or name_of(int(lock))
        ends = (first, last) if first else (suspicion.steps[int(number)],) * 2
        return _between(*(frame_of(int(step)) for step in ends))

    def filled(text: str) -> str:
        return _HOLE.sub(fill, text)

    frames = [frame_of(step) for step in suspicion.steps]
    places = sorted({evidence.place_of(frame) for frame in frames if frame})
    return Told(
        filled(suspicion.message),
        f"{filled(what)} in {' + '.join(places)}",
        _TWICE.sub(r"\1", filled(suspicion.remedy)),
    )


def source_of_stack(stack: Stack, target: str) -> str:
    """What stands in the source where a task stands in the program; else where it stands at all."""
    mine = (place for place in stack if not evidence.is_library(place[0].co_filename, target))
    return source_of(next(mine, stack[0]))


def positions_of(stack: Stack, target: str) -> tuple[Position, ...]:
    """A stack of the engine, the outermost function of the program first."""
    return tuple(
        Position(code.co_filename, code.co_qualname, instruction, _span_of(code, instruction))
        for code, instruction in reversed(stack)
        if not evidence.is_library(code.co_filename, target)
    )


def _span_of(code: CodeType, instruction: int) -> Span | None:
    line, column, last_line, last_column = span_of((code, instruction))
    if line is None or column is None or last_line is None or last_column is None:
        return None
    return Span(line, column, last_line, last_column)


def _between(first: Frame | None, last: Frame | None) -> str:
    """Where a task goes from one place to another."""
    if first is None or last is None:
        return "the program"
    if (first.file, first.function) != (last.file, last.function):
        return f"{evidence.describe_frame(first)} to {evidence.describe_frame(last)}"
    if first.line == last.line:
        return evidence.describe_frame(first)
    begin, end = sorted((first.line, last.line))
    return f"{first.function} ({evidence.short_path(first.file)}:{begin}-{end})"
