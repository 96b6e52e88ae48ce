"""Recursion: tasks have the limit that they would have without us, and the engine has room beyond.

Near the limit of the interpreter a scheduling point itself could fail, in the middle of what it
does: a lock would stay held, or the turn be lost. So that limit is far above the program's own,
which the engine looks after, at some of its steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: How far the limit of the interpreter is above the program's. Not farther: code in C recurses on
#: a stack of a few MiB.
ROOM = 3
#: So near the limit of the interpreter the engine's own calls may fail.
_NEAR_FRAMES = 200
TOO_DEEP = "recursion far beyond the limit, within few steps"

_SET, _GET = sys.setrecursionlimit, sys.getrecursionlimit


class RecursionRoom:
    """Gives room for the length of one exploration."""

    def __init__(self) -> None:
        self._limit = self._before = _GET()

    def names(self) -> dict[str, Callable[..., Any]]:
        """What stands for which name of the module `sys`."""
        return {"setrecursionlimit": self.set, "getrecursionlimit": self.get}

    def enter(self) -> Callable[[], None]:
        """Make room; the result takes it back."""
        self.set(self._before)
        return lambda: _SET(self._before)

    def set(self, limit: int, /) -> None:
        """`sys.setrecursionlimit`."""
        _SET(limit * ROOM if isinstance(limit, int) and limit > 0 else limit)
        self._limit = limit

    def get(self) -> int:
        """`sys.getrecursionlimit`."""
        return self._limit


def is_still_to_end(kind: str) -> bool:
    """Raises RecursionError where the caller is deeper than its program may go; True where an
    operation of this kind never fails, and the next one has to."""
    if not _is_deeper(_GET() // ROOM):
        return False
    if kind == "release":
        return True
    raise RecursionError("maximum recursion depth exceeded")


def is_near_the_end() -> bool:
    """Whether the room that the engine has may not be enough here."""
    return _is_deeper(_GET() - _NEAR_FRAMES)


def _is_deeper(frames: int) -> bool:
    try:
        sys._getframe(max(frames, 1))
    except ValueError:
        return False
    return True
