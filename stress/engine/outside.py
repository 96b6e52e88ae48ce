"""Calls that the engine does not control: what they are, and how a program gets through them.

A call that waits in C would keep the turn for ever. On greenlets the exploration moves to threads
of the system, where a task gives up its turn for the length of the call and asks for it again
afterwards. Others go on meanwhile; when nobody else can, the engine waits for the call. When it
comes back is not chosen by anybody, so that the verdict is unknown, and names the call.
"""

from __future__ import annotations

import _thread
import functools
import importlib
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.execution import Execution
from stress.engine.locks import operation
from stress.engine.task import Aborted, Task

#: Calls that may wait in C: they need a thread of their own.
WAITING: dict[str, tuple[str, ...]] = {
    "socket:socket": (
        "accept", "connect", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "send",
        "sendall", "sendto", "sendmsg", "sendfile",
    ),
    "ssl:SSLSocket": ("read", "write", "do_handshake", "unwrap"),
    "select:": ("select",),
    "subprocess:Popen": ("__init__", "wait", "communicate"),
    "os:": ("read", "write", "waitpid", "wait", "wait3", "wait4", "system"),
    "fcntl:": ("flock", "lockf"),
    "signal:": ("pause", "sigwait", "sigtimedwait"),
    "builtins:": ("input",),
}  # fmt: skip
#: Calls whose state in C belongs to the thread that makes them.
AFFINE = {"asyncio.base_events:BaseEventLoop": ("run_forever",)}
#: Calls that wait for others or for the clock, whichever comes first.
SELECTING = {
    "selectors:SelectSelector": ("select",),
    "selectors:PollSelector": ("select",),
    "selectors:EpollSelector": ("select",),
}
#: Calls that come back at once, but begin something that nobody controls.
STARTING: dict[str, tuple[str, ...]] = {
    "os:": ("fork", "posix_spawn"),
    "signal:": ("signal", "setitimer", "alarm"),
}
#: So long a call may keep everybody waiting while others only wait for the clock.
GRACE_S = 0.05
#: So long who ends an execution waits for calls that are still out.
LAST_WAIT_S = 2.0


_NEW_LOCK = _thread.allocate_lock


class NeedsThreads(BaseException):
    """The program made a call that needs a thread of its own: the argument is its name."""


class Outside:
    """The tasks of one execution that are out in such calls. Itself the gate that they wait at."""

    owner = None

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        # Both real, since those who come back do not have the turn: one guards what follows, the
        # other is rung when somebody is back.
        self._guard, self._bell = _NEW_LOCK(), _NEW_LOCK()
        self._bell.acquire()
        self._out: dict[Task, str] = {}
        self._back: list[Task] = []
        #: Whether the turn lies with nobody, for who comes back first.
        self.nobody_runs = False
        self.waiters: list[int] = []

    def call(self, task: Task, name: str, call: Callable[[], Any]) -> Any:
        """Make a call without the turn."""
        execution = self._execution
        execution.point(operation("call", name))
        self._leave(task, name)
        try:
            return call()
        finally:
            self._come_back(task)
            if execution.aborting:
                raise Aborted

    def _leave(self, task: Task, name: str) -> None:
        execution = self._execution
        with self._guard:
            self._out[task] = name
        following = execution.leave(task, self)
        unit = execution.unit_of(following)
        execution.carrier.running = unit
        unit.gate.release()

    def _come_back(self, task: Task) -> None:
        execution = self._execution
        with self._guard:
            self._out.pop(task, None)
            if execution.over:
                return
            if self.nobody_runs and not execution.aborting:
                self.nobody_runs = False
                execution.take_turn(task)
                return
            self._back.append(task)
            if self._bell.locked():
                self._bell.release()
        task.unit.wait()

    def wait_or_leave(self) -> bool:
        """Nobody is ready. Wait a little for who is out, if the clock could move instead; leave
        the turn to who comes back first, if it could not: True then."""
        if self.take_back() or not self._out:
            return False
        if self._execution.timers.first() is not None:
            self._bell.acquire(timeout=GRACE_S)
            self.take_back()
            return False
        with self._guard:
            if self._back:
                self._take_back()
                return False
            self.nobody_runs = True
            return True

    def take_back(self) -> bool:
        """Make those ready who are back; whether there was anybody."""
        with self._guard:
            return self._take_back()

    def _take_back(self) -> bool:
        back, self._back = sorted(self._back, key=lambda task: task.number), []
        for task in back:
            self._execution.release(task)
        return bool(back)

    def told(self) -> str:
        """Who is out, and where."""
        return ", ".join(f"{name} in task {task.number}" for task, name in self._out.items())

    def is_lost(self, task: Task) -> bool:
        """Whether a task that is to be unwound is out, and does not come back in time."""
        rounds = int(LAST_WAIT_S / GRACE_S)
        while task in self._out and rounds:
            self._bell.acquire(timeout=GRACE_S)
            rounds -= 1
        return task in self._out


class Wrappers:
    """What stands for such calls while a program is explored."""

    def __init__(self, *, may_move: bool) -> None:
        self._may_move = may_move

    def replaced(self) -> list[tuple[Any, str, Any]]:
        """Owner, name and function, for those of which the module is there."""
        found = []
        for table, wrap in (
            (WAITING, self._waiting),
            (SELECTING, self._selecting),
            (AFFINE, self._affine),
            (STARTING, self._starting),
        ):
            for path, names in table.items():
                owner = _owner(path)
                for name in names:
                    real = None if owner is None else getattr(owner, name, None)
                    if real is not None:
                        found.append((owner, name, wrap(_told(path, name), real)))
        return found

    def _waiting(self, name: str, real: Any) -> Any:
        @functools.wraps(real)
        def outside(*args: Any, **kwargs: Any) -> Any:
            mine = controlled()
            if mine is None or mine[0].aborting or _never_waits(args):
                return real(*args, **kwargs)
            return self._call(*mine, name, lambda: real(*args, **kwargs))

        return outside

    def _call(self, execution: Execution, task: Task, name: str, call: Callable[[], Any]) -> Any:
        if not self._on_threads(execution, task, name):
            return call()
        if execution.outside is None:
            execution.outside = Outside(execution)
            # From now on other threads run Python code beside the task that has the turn.
            context.guarded = True
            execution.careful = True
            execution.settle()
        return execution.outside.call(task, name, call)

    def _on_threads(self, execution: Execution, task: Task, name: str) -> bool:
        if execution.carrier.name == "greenlet" and self._may_move:
            execution.interrupt(NeedsThreads(name))
            execution.look_up(task, parking=True)
        execution.uncontrolled.setdefault(name)
        return execution.carrier.name != "greenlet"

    def _selecting(self, name: str, real: Any) -> Any:
        @functools.wraps(real)
        def select(self_: Any, timeout: float | None = None) -> Any:
            mine = controlled()
            if mine is None or mine[0].aborting:
                return real(self_, timeout)
            execution, task = mine
            if timeout is None:
                return self._call(execution, task, name, lambda: real(self_, None))
            self._on_threads(execution, task, name)
            found = real(self_, 0)
            if not found and timeout > 0:
                # The clock is ours, so what it waits for is looked at when that time is over.
                time.sleep(timeout)
                found = real(self_, 0)
            return found

        return select

    def _affine(self, name: str, real: Any) -> Any:
        @functools.wraps(real)
        def affine(*args: Any, **kwargs: Any) -> Any:
            mine = controlled()
            if mine is not None and not mine[0].aborting:
                execution, task = mine
                execution.uncontrolled.setdefault(name)
                if execution.carrier.name == "greenlet":
                    # On a greenlet it would go wrong, and not by the program's fault.
                    execution.interrupt(NeedsThreads(name))
                    execution.look_up(task, parking=True)
            return real(*args, **kwargs)

        return affine

    def _starting(self, name: str, real: Any) -> Any:
        @functools.wraps(real)
        def noted(*args: Any, **kwargs: Any) -> Any:
            mine = controlled()
            if mine is not None:
                mine[0].uncontrolled.setdefault(name)
            return real(*args, **kwargs)

        return noted


def _never_waits(args: tuple[Any, ...]) -> bool:
    """Whether the first argument is such that a call on it comes back at once."""
    first = args[0] if args else None
    if isinstance(first, int):
        try:
            return stat.S_ISREG(os.fstat(first).st_mode)
        except (OSError, OverflowError):
            return False
    return isinstance(first, socket.socket) and first.gettimeout() == 0


def _owner(path: str) -> Any:
    """The module or class of a table's key, if the program has it."""
    module, _, name = path.partition(":")
    if module not in sys.modules:
        if module.partition(".")[0] not in (
            "socket",
            "select",
            "selectors",
            "subprocess",
            "signal",
        ):
            return None
        importlib.import_module(module)
    return getattr(sys.modules[module], name, None) if name else sys.modules[module]


def _told(path: str, name: str) -> str:
    module, _, owner = path.partition(":")
    name = "" if name == "__init__" else name
    return ".".join(part for part in (module, owner, name) if part and part != "builtins")
