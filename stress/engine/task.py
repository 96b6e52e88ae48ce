"""A task: a thread of the program under control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from stress.errors import InvalidArgument
from stress.strategy import Pending

#: Identifiers of tasks, far from those that the system gives to threads.
FIRST_IDENT = 1 << 52


class Gate(Protocol):
    """What a task may have to wait at.

    `waiters` holds the numbers of the tasks that are about to pass it, also of those that could
    pass now. `owner` is the task that can open it, where one can.
    """

    waiters: Any

    @property
    def owner(self) -> Task | None: ...


class Task:
    """A thread of the program, carried by a unit. It is itself the gate of who joins it."""

    __slots__ = (
        "alive", "blocked", "crew", "daemon", "deadline", "ending", "ident", "number",
        "pending", "raised", "silent", "started", "switch", "thread", "timed_out", "unit",
        "waiters",
    )  # fmt: skip

    unit: Any
    """What carries it."""
    switch: Callable[[], object]

    def __init__(self, number: int, daemon: bool, pending: Pending) -> None:
        self.number = number
        self.ident = FIRST_IDENT + number
        self.daemon = daemon
        self.pending = pending
        self.alive = True
        #: Whether it ever had the turn.
        self.started = False
        #: The `threading.Thread` that it is, where there is one.
        self.thread: Any = None
        #: Of a worker, whose thread is made when somebody asks for it: those that began with it.
        self.crew: Crew | None = None
        self.deadline: float | None = None
        self.timed_out = False
        #: How often it was told that all is over, and how many points it passed since.
        self.raised = 0
        self.silent = 0
        #: What it waits at; None while it is ready or runs.
        self.blocked: Gate | None = None
        #: Called when it ends.
        self.ending: list[Callable[[], None]] = []
        self.waiters: list[int] = []

    @property
    def owner(self) -> Task:
        """Who can open it: itself."""
        return self

    @property
    def members(self) -> Sequence[int]:
        """Who must be over before it is open: itself."""
        return (self.number,)

    @property
    def name(self) -> str:
        """Of its thread; empty where there is none."""
        if self.thread is not None:
            return str(self.thread.name)
        return "" if self.crew is None else self.crew.name_of(self)

    def __repr__(self) -> str:
        return f"<task {self.number}>"


class Aborted(BaseException):
    """Unwinds a task of an execution that is over."""


class Crew(Protocol):
    """Tasks that began together: see `stress.engine.fork_join`."""

    def name_of(self, task: Task) -> str: ...

    def make_thread(self, task: Task) -> Any: ...

    def failed(self, task: Task, error: BaseException) -> None: ...

    def one_is_over(self) -> None: ...


class Outside(Protocol):
    """The tasks that are in calls outside of control: see `stress.engine.outside`."""

    nobody_runs: bool

    def call(self, task: Task, name: str, call: Callable[[], Any]) -> Any: ...

    def wait_or_leave(self) -> bool: ...

    def take_back(self) -> bool: ...

    def is_lost(self, task: Task) -> bool: ...


def not_ready(chosen: object, ready: Sequence[int]) -> BaseException:
    """What a strategy is told that chose a task which cannot go on."""
    return InvalidArgument(
        f"the strategy chose task {chosen!r}; it must choose one of the ready tasks {list(ready)}"
    )
