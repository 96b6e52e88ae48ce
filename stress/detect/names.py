"""What a reader of the program calls the objects that steps are about."""

from __future__ import annotations

import re

from stress.conflicts import NAMED
from stress.detect.trace import Trace, is_of_model

#: So many steps of the same task before are looked at for where an object comes from.
_BACK = 4
#: What has no name that is known.
SOME = "a container"
_HOLDERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:\w+\.)*(\w+)\[",
        r"(?:\w+\.)*(\w+)\.\w+\(",
        r"\w+\((?:\w+\.)*(\w+)[,)]",
        r".+ in (?:\w+\.)*(\w+)$",
        r"(?:\w+\.)*(\w+)$",
    )
)


def name_of_place(trace: Trace, step: int, source: str = "") -> str:
    """The attribute or variable that a step touches, or that holds the container that it does.

    `source` is what stands in the source for the operation, where that is known.
    """
    site = trace.steps[step].site
    if trace.steps[step].through is not None:
        return _holder(source) or SOME
    if is_of_model(trace.steps[step]) or not site.function:
        return ""
    if site.kind in NAMED:
        return site.name
    return _holder(source) or _loaded_before(trace, step, same_line=True) or SOME


def _holder(source: str) -> str:
    """`box` of `box[0]`, `self.box.pop()`, `len(box)` and `key in box`."""
    for pattern in _HOLDERS:
        found = pattern.match(source)
        if found:
            return found[1]
    return ""


def name_of_lock(trace: Trace, step: int) -> str:
    """The attribute or variable that holds the lock which a step takes; empty where that is not
    seen, as of a local variable."""
    return _loaded_before(trace, step, same_line=False)


def _loaded_before(trace: Trace, step: int, *, same_line: bool) -> str:
    task, site = trace.steps[step].task, trace.steps[step].site
    left = _BACK
    for before in reversed(trace.steps[:step]):
        if before.task != task:
            continue
        if before.site.kind == "read" and before.site.function:
            is_there = (before.site.function, before.site.line) == (site.function, site.line)
            if is_there or not same_line:
                return before.site.name
        left -= 1
        if not left:
            break
    return ""
