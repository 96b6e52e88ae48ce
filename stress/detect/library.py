"""Accesses to futures and queues of the standard library, which have a lock inside.

What a method of theirs does, it does with that lock in its hand, so that it is whole. What is made
of two calls is not: `if not jobs.empty(): jobs.get()`. So the step that takes the lock for such a
method counts as an access to the object.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from types import CodeType, FrameType
from typing import NamedTuple

from stress import evidence
from stress.site import Site

#: Methods that look, and those that change something.
LOOKS = frozenset({"done", "running", "cancelled", "empty", "full", "qsize"})
_CHANGES = frozenset({
    "set_result", "set_exception", "set_running_or_notify_cancel", "cancel", "get", "put",
    "get_nowait", "put_nowait",
})  # fmt: skip
#: They give what came of it, and so what went wrong.
ASKS = frozenset({"result", "exception", "add_done_callback"})
#: They say whether there was anything to do: who calls them is ready for both.
ASKING = frozenset({"cancel", "set_running_or_notify_cancel", "get_nowait", "put_nowait"})
#: Between a task's own taking of the lock and the method of the library.
_FRAMES = 8


def _methods() -> Mapping[int, str]:
    """Their names, by identity of their code: what is in a code may be slow to compare."""
    return {
        id(vars(owner)[name].__code__): name
        for owner in (Future, queue.Queue)
        for name in LOOKS | _CHANGES | ASKS
        if name in vars(owner)
    }


_METHODS = _methods()


class LibraryCall(NamedTuple):
    """The place of a call of such a method; for `set_exception` also which exception, and where it
    came up."""

    site: Site
    error: str = ""


class LibraryCalls:
    """Finds the call of such a method on the stack. Each place in the source is one site."""

    def __init__(self) -> None:
        # The code is held, so that no other one comes to have its identity.
        self._sites: dict[tuple[int, int, str], tuple[CodeType, Site]] = {}

    def look(self, frame: FrameType | None) -> LibraryCall | None:
        """The call that the innermost frames are inside of; None where they are in no such one."""
        left = _FRAMES
        while frame is not None and id(frame.f_code) not in _METHODS:
            frame = frame.f_back
            left -= 1
            if not left:
                return None
        name = error = ""
        while frame is not None and id(frame.f_code) in _METHODS:
            # `get_nowait` is one that calls another.
            name = _METHODS[id(frame.f_code)]
            if name == "set_exception":
                error = _told(frame.f_locals.get("exception"))
            frame = frame.f_back
        return None if frame is None else LibraryCall(self._site(name, frame), error)

    def _site(self, name: str, frame: FrameType) -> Site:
        code = frame.f_code
        key = id(code), frame.f_lasti, name
        known = self._sites.get(key)
        if known is None:
            module, file = str(frame.f_globals.get("__name__", "")), code.co_filename
            number, line = frame.f_lasti, frame.f_lineno or 0
            site = Site("call", name, code.co_qualname, module, file, line, number)
            known = self._sites[key] = code, site
        return known[1]


def _told(error: object) -> str:
    if not isinstance(error, BaseException):
        return ""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {evidence.short_path(frames[0].filename)}:{frames[0].lineno}" if frames else ""
    text = str(error)
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"
