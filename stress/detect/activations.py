"""Two steps of one task, in one call of a function that both are in."""

from __future__ import annotations

from typing import NamedTuple

from stress.detect.trace import Position, Trace


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
