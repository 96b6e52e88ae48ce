"""Accesses to futures and queues of the standard library, which have a lock inside.

What a method of theirs does, it does with that lock in its hand, so that it is whole. What is made
of two calls is not: `if not jobs.empty(): jobs.get()`. So the step that takes the lock for such a
method counts as an access to the object.
"""

from __future__ import annotations

import queue
import threading
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


def _methods() -> Mapping[int, str]:
    """Their names, by identity of their code: what is in a code may be slow to compare."""
    return {
        id(vars(owner)[name].__code__): name
        for owner in (Future, queue.Queue)
        for name in LOOKS | _CHANGES | ASKS
        if name in vars(owner)
    }


_METHODS = _methods()
_CONDITIONS = threading.Thread.run.__code__.co_filename
#: What stands on the stack: what may stand between a method and the lock, and what may not.
_BETWEEN, _LIBRARY, _PROGRAM = range(3)


class LibraryCall(NamedTuple):
    """The place of a call of such a method, None where the library takes the lock for another one;
    for `set_exception` also which exception, and where it came up."""

    site: Site | None
    error: str = ""


class LibraryCalls:
    """Finds the call of such a method on the stack. Each place in the source is one site."""

    def __init__(self) -> None:
        # The codes are held, so that no other one comes to have the identity of one.
        self._sites: dict[tuple[int, int, str], tuple[CodeType, Site]] = {}
        self._owners: dict[int, tuple[CodeType, int]] = {}

    def look(self, frame: FrameType | None) -> LibraryCall | None:
        """The call that the innermost frames are inside of; None where that is none of the library,
        so that the lock is not one of its own."""
        while frame is not None and id(frame.f_code) not in _METHODS:
            owner = self._owner(frame.f_code)
            if owner != _BETWEEN:
                return LibraryCall(None) if owner == _LIBRARY else None
            frame = frame.f_back
        name = error = ""
        while frame is not None and id(frame.f_code) in _METHODS:
            # `get_nowait` is one that calls another.
            name = _METHODS[id(frame.f_code)]
            if name == "set_exception":
                error = _told(frame.f_locals.get("exception"))
            frame = frame.f_back
        return None if frame is None else LibraryCall(self._site(name, frame), error)

    def _owner(self, code: CodeType) -> int:
        known = self._owners.get(id(code))
        if known is None:
            file = code.co_filename
            owner = _LIBRARY if evidence.is_library(file) else _PROGRAM
            if file == _CONDITIONS or file.startswith(evidence.PACKAGE):
                owner = _BETWEEN
            known = self._owners[id(code)] = code, owner
        return known[1]

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
