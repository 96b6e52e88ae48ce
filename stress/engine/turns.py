"""Turns that come about in another way than by a choice among all ready tasks."""

from __future__ import annotations

from typing import Any

from stress.engine.spinning import IDLE


def let_others_go(execution: Any, number: int) -> int:
    """Who goes while some tasks spin, whatever the strategy prefers: one that does not, until
    something changes; where all do, anybody but the one that had the turn."""
    spun = execution.watch.spun
    others = [other for other in execution.ready if other not in spun]
    if not others:
        spun.clear()
        others = [other for other in execution.ready if other != number] or [number]
    if len(others) > execution.least:
        current = number if number in others else None
        chosen = int(execution.choose(others, execution.pendings, current))
        if len(others) > 1:
            execution.chosen.append(chosen)
    else:
        chosen = others[0]
        if execution.recorder:
            execution.recorder.took(chosen)
    if execution.pendings[chosen].site.kind not in IDLE:
        spun.clear()
    return chosen


def tell_deadlock(execution: Any) -> None:
    """Who sees every step sees who waits at the end."""
    task, execution.current = execution.current, None
    try:
        execution.choose(execution.ready, execution.pendings, None)
    except BaseException as error:
        execution.end_with(error)
    execution.current = task
