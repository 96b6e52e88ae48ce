"""Threads and futures in sets: in the order in which they were made.

A set orders objects by their hash, which is their address, and that nobody controls. A pool joins
its threads out of a set, and `concurrent.futures.wait` gives sets of futures, so that their order
decides what happens next. What an execution makes has its number for a hash.
"""

from __future__ import annotations

import concurrent.futures._base as futures
import threading
from collections.abc import Callable
from typing import Any

from stress.engine.context import controlled, stands_for
from stress.engine.thread_making import make_thread_init


class Counter:
    """Gives one number after another; to begin anew costs nothing."""

    __slots__ = ("value",)

    def __init__(self, first: int) -> None:
        self.value = first

    def __call__(self) -> int:
        value = self.value
        self.value = value + 1
        return value


class Identities:
    """Numbers the threads and futures of each execution."""

    def __init__(self) -> None:
        self._next = Counter(1)

    def begin(self) -> None:
        """Before each execution: numbers begin as ever."""
        self._next.value = 1

    def replaced(self) -> list[tuple[Any, str, Any]]:
        """Owner, name and what stands there."""
        found: list[tuple[Any, str, Any]] = [(futures, "id", number_or_id)]
        for cls, model in (
            (threading.Thread, make_thread_init(self._next)),
            (futures.Future, self._making(futures.Future.__init__)),
        ):
            found.append((cls, "__init__", model))
            found.append((cls, "__hash__", number_or_hash))
        return found

    def _making(self, real: Callable[..., None]) -> Callable[..., None]:
        @stands_for(real)
        def made(self_: Any, *args: Any, **kwargs: Any) -> None:
            if controlled() is not None:
                self_.__dict__.setdefault("_made", self._next())
            real(self_, *args, **kwargs)

        return made


def number_or_hash(made: Any) -> int:
    """The number; the hash as ever of what was made before, which may be in sets already."""
    number: int | None = made.__dict__.get("_made")
    return object.__hash__(made) if number is None else number


def number_or_id(made: Any) -> int:
    """What futures are sorted by, before their locks are taken in that order."""
    number: int | None = getattr(made, "_made", None)
    return id(made) if number is None else number
