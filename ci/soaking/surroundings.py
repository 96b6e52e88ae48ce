"""The process around an exploration, as far as one could change it: a picture to compare."""

from __future__ import annotations

import _thread
import builtins
import concurrent.futures.thread as pools
import gc
import logging
import os
import queue
import random
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

#: Whose names must be the same objects afterwards.
OWNERS = (
    threading, _thread, time, queue, random, sys, builtins, pools, os, sqlite3, signal,
    threading.Thread, threading.Condition, threading.Event, threading.Semaphore,
    threading.BoundedSemaphore, random.Random, pools.ThreadPoolExecutor,
)  # fmt: skip
#: What changes whenever anything runs.
_RESTLESS = frozenset({"__warningregistry__", "_", "last_value"})


def picture() -> dict[str, Any]:
    """Names and the objects that they are bound to, and the state of what has some."""
    gc.collect()
    found = {
        f"{owner.__name__}.{name}": value
        for owner in OWNERS
        for name, value in list(vars(owner).items())
        if name not in _RESTLESS
    }
    return {
        **found,
        "threads": dict(threading._active),  # type: ignore[attr-defined]
        "threads that begin": dict(threading._limbo),  # type: ignore[attr-defined]
        "number of threads": threading.active_count(),
        "frames": sorted(sys._current_frames()),
        "threads of the system": system_threads(),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "state of random": random.getstate(),
        "interrupt handler": signal.getsignal(signal.SIGINT),
        "tracing": (sys.gettrace(), sys.getprofile(), threading.gettrace()),
        "limits": (sys.getswitchinterval(), sys.getrecursionlimit()),
        "filters": list(logging.getLogger("concurrent.futures").filters),
    }


def system_threads() -> list[str]:
    """The threads of this process as the system counts them; empty where it does not tell."""
    tasks = Path("/proc/self/task")
    return sorted(task.name for task in tasks.iterdir()) if tasks.is_dir() else []


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two pictures, a line each."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(f"{name} is gone")
        elif name not in before:
            found.append(f"{name} is new: {after[name]!r:.80}")
        elif "." in name and before[name] is not after[name]:
            found.append(f"{name} is another object: {after[name]!r:.80}")
        elif "." not in name and before[name] != after[name]:
            found.append(f"{name}: {before[name]!r:.80} before, {after[name]!r:.80} after")
    return found
