"""Turns that come about in another way than by a choice among all ready tasks."""

from __future__ import annotations

from typing import Any


def let_others_go(execution: Any, number: int) -> int:
    """Who goes instead of a task that spins, whatever the strategy prefers."""
    others = [other for other in execution.ready if other != number] or [number]
    if len(others) > execution.least:
        chosen = int(execution.choose(others, execution.pendings, None))
        if len(others) > 1:
            execution.chosen.append(chosen)
        return chosen
    if execution.recorder:
        execution.recorder.took(others[0])
    return int(others[0])


def tell_deadlock(execution: Any) -> None:
    """Who sees every step sees who waits at the end."""
    task, execution.current = execution.current, None
    try:
        execution.choose(execution.ready, execution.pendings, None)
    except BaseException as error:
        execution.end_with(error)
    execution.current = task
