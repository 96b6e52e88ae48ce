"""What a sandbox asks of Linux: to die with its parent, and to adopt what a trial leaves behind."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have this process killed when `parent`, its parent, dies; at once if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, whatever session they moved to."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> frozenset[int]:
    """The processes whose parent is this (single-threaded) process, zombies included."""
    me = os.getpid()
    return frozenset(map(int, Path(f"/proc/{me}/task/{me}/children").read_text("ascii").split()))


def end_children(keep: frozenset[int]) -> int:
    """Kill and reap every child that is not in `keep`, and what they leave; how many there were."""
    ended = 0
    while strangers := children() - keep:
        for process in strangers:
            kill(process)
        for process in strangers:
            os.waitpid(process, 0)
        ended += len(strangers)
    return ended


def kill(process: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_group(group: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process group that may have ended."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
