"""Two steps of one task, in one call of a function that both are in."""

from __future__ import annotations

from typing import NamedTuple

from stress.detect.dependence import is_in_for_loop
from stress.detect.trace import Position, Trace

#: Operations that wait for others: what comes after is no longer the same go.
_WAITS = frozenset({"wait", "get", "join", "sleep", "yield", "busy database"})


class Pair(NamedTuple):
    """Where in the innermost function that both are in the first step is made, and the second."""

    first: Position
    second: Position


def in_one_go(trace: Trace, first: int, second: int) -> Pair | None:
    """Two steps of a task that one call of a function makes, going forward only: not in two turns
    of a loop, as far as that shows. None where it does not; the stacks must be known."""
    one, other = trace.stacks[first], trace.stacks[second]
    level = 0
    while level < min(len(one), len(other)) and one[level] == other[level]:
        level += 1
    if level >= min(len(one), len(other)):
        return None
    at = one[level]
    task = trace.steps[first].task
    for step in range(first, second + 1):
        if trace.steps[step].task != task:
            continue
        stack = trace.stacks[step]
        if len(stack) <= level or stack[:level] != one[:level]:
            return None
        if stack[level].function != at.function or stack[level].instruction < at.instruction:
            return None
        at = stack[level]
    if one[level].instruction == other[level].instruction:
        return None
    return Pair(one[level], other[level])


def in_one_loop(trace: Trace, first: int, second: int) -> bool:
    """Whether two turns of a `for` make the two steps, which write items of different keys, and
    nobody is waited for in between: what is gone through is changed as a whole."""
    one, other = trace.steps[first], trace.steps[second]
    if one.site is not other.site or one.site.kind != "write item" or not one.key or not other.key:
        return False
    stack = trace.stacks[first]
    if one.key == other.key or not stack or trace.stacks[second] != stack:
        return False
    for step in range(first + 1, second):
        made = trace.steps[step]
        waits = made.through is not None or made.site.kind in _WAITS
        if made.task == one.task and not made.site.function and waits:
            return False
    at = stack[-1]
    return at.span is not None and is_in_for_loop(at.file, at.span)
