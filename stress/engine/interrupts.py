"""Ctrl-C, and SIGTERM where it is handled: the execution ends at its next step.

An exception in the middle of a hand-over would lose the turn. So while tasks run the first signal
only asks for the end; a second one is raised where it comes, for programs that make no more steps.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stress.engine.context import context

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Defer what handlers written in Python would raise. Only the main thread can do that."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, _deferring(handler))
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


def _deferring(handler: Any) -> Any:
    def handle(number: int, frame: Any) -> None:
        execution = context.execution
        if execution is None or execution.error is not None:
            handler(number, frame)
        else:
            execution.interrupt(KeyboardInterrupt())

    return handle
