"""Executions that come to a standstill: a call waits in C, and nobody told the engine before.

A thread beside the exploration looks now and then whether steps are made. Where none are for too
long it says where the process hangs, and interrupts the main thread as Ctrl-C does.
"""

from __future__ import annotations

import _thread
import linecache
import signal
import sys
import threading
from typing import Any

from stress.engine.context import context

_NEW_LOCK, _NEW_THREAD, _IDENT = _thread.allocate_lock, _thread.start_new_thread, _thread.get_ident
_LOOK_EVERY_S = 0.25
#: After Ctrl-C an execution that makes no step is not waited for so long.
INTERRUPTED_LIMIT_S = 1.0
_ENGINE = __file__.rpartition("/")[0] + "/"


class Stalled(Exception):
    """No step was made for too long; the argument says in which call."""


class StallWatch:
    """Watches the executions of one session. It can only interrupt the main thread."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._stop = _NEW_LOCK()
        self._ended = _NEW_LOCK()
        #: Where it hangs, once it does.
        self.where = ""

    def start(self) -> None:
        """Begin to watch, where an interruption is possible."""
        self._stop.acquire()
        self._ended.acquire()
        able = threading.current_thread() is threading.main_thread()
        if able and callable(signal.getsignal(signal.SIGINT)):
            _NEW_THREAD(self._watch, ())
        else:
            self._ended.release()

    def stop(self) -> None:
        """End the watching."""
        self._stop.release()
        self._ended.acquire()

    def _watch(self) -> None:
        seen: tuple[Any, int] = (None, 0)
        still_s = 0.0
        while not self._stop.acquire(timeout=_LOOK_EVERY_S):
            execution = context.execution
            now = (execution, 0 if execution is None else execution.steps)
            still_s = still_s + _LOOK_EVERY_S if now == seen else 0.0
            seen = now
            if execution is None or self.where:
                continue
            if still_s >= self.limit_s:
                self.where = describe(execution)
                execution.interrupt(KeyboardInterrupt())
            elif still_s < INTERRUPTED_LIMIT_S or execution.error is None:
                continue
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self._ended.release()


def describe(execution: Any) -> str:
    """Where an execution hangs: the line that made the call, and its function."""
    task = execution.current
    if task is None and execution.outside is not None and execution.outside.told():
        return str(execution.outside.told())
    frames = sys._current_frames()
    frame = frames.get(threading.main_thread().ident or 0)
    if task is not None and getattr(task.unit, "ident", 0) in frames:
        frame = frames[task.unit.ident]
    while frame is not None and frame.f_code.co_filename.startswith(_ENGINE):
        frame = frame.f_back
    if frame is None:
        return "a call that is not under control"
    file, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, line).strip()
    where = f"{frame.f_code.co_qualname} ({file.rpartition('/')[2]}:{line})"
    return f"{text} in {where}" if text else where
