"""What a sandbox asks of Linux: to die with its parent, and to adopt what a trial leaves behind."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# The same on every machine that came after it. `os.pidfd_open` is missing from Pythons that were
# built against older kernels than they run on.
_SYS_PIDFD_OPEN = 434

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have this process killed when `parent`, its parent, dies; at once if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, whatever session they moved to."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def open_process(process: int) -> int:
    """A file descriptor that is readable once the process has ended; the caller closes it.

    Raises ProcessLookupError where there is no such process.
    """
    descriptor = int(_libc.syscall(_SYS_PIDFD_OPEN, process, 0))
    if descriptor < 0:
        raise _error(f"pidfd_open({process})")
    os.set_inheritable(descriptor, False)
    return descriptor


def children() -> frozenset[int]:
    """The processes whose parent is this (single-threaded) process, zombies included.

    Empty on a kernel that does not tell.
    """
    me = os.getpid()
    try:
        told = Path(f"/proc/{me}/task/{me}/children").read_text("ascii")
    except FileNotFoundError:
        told = ""
    return frozenset(map(int, told.split()))


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
        raise _error(f"prctl({option})")


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
