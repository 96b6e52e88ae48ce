"""How an execution ended: plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from stress.schedule import Choice


class Ending(enum.Enum):
    """Why an execution ended. A task's exception does not end it: see `Outcome.failures`."""

    FINISHED = "finished"
    DEADLOCK = "deadlock"
    STEP_LIMIT = "step limit"


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that left a task."""

    task: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class Wait:
    """A task that waits: for what operation, on which object, held by which task if any."""

    task: int
    kind: str
    subject: int
    owner: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One execution. `waits` holds who waits for whom in a deadlock.

    `tasks` counts tasks, `steps` scheduling points. `taken` holds the points with two ready tasks:
    the task that was taken, what it was about to do, and the ready tasks.
    """

    ending: Ending
    failures: tuple[Failure, ...]
    waits: tuple[Wait, ...]
    taken: tuple[tuple[int, str, tuple[int, ...]], ...]
    tasks: int
    steps: int
    context_switches: int
    preemptions: int
    clock_s: float

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What replays it. Made when asked for: most executions are never replayed."""
        return tuple(Choice(*taken) for taken in self.taken)
