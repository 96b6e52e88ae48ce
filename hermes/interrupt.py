"""Interrupts of tools: each agent has a flag of its own, and its threads are bound to it.

Tools ask `is_interrupted()` and are told of the agent that they work for, and of no other. A
thread that works for no agent has a flag of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_bound = threading.local()


@contextmanager
def bind_interrupt(flag: threading.Event) -> Iterator[None]:
    """Let the calling thread work for the owner of `flag`, for the length of the block."""
    before: threading.Event | None = getattr(_bound, "flag", None)
    _bound.flag = flag
    try:
        yield
    finally:
        _bound.flag = before


def current_interrupt() -> threading.Event | None:
    """The flag that the calling thread is bound to."""
    return getattr(_bound, "flag", None)


def is_interrupted() -> bool:
    """Whether the agent that the calling thread works for has been interrupted."""
    flag = current_interrupt()
    return flag is not None and flag.is_set()


def set_interrupt(active: bool) -> None:
    """Set or clear the flag of the agent that the calling thread works for, else its own."""
    flag = current_interrupt()
    if flag is None:
        flag = _bound.flag = threading.Event()
    if active:
        flag.set()
    else:
        flag.clear()
