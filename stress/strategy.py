"""The protocol between the engine and a strategy, which decides who goes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Pending:
    """What a ready task is about to do. Good for the length of one call: the engine reuses it.

    `task` numbers tasks by their creation. `kind` is the operation (`acquire`, `release`, `start`,
    `sleep`, …) and `subject` numbers the object of it by first use; 0 where there is none.
    """

    __slots__ = ("kind", "subject", "task")

    def __init__(self, task: int, kind: str, subject: int) -> None:
        self.task = task
        self.kind = kind
        self.subject = subject

    def __repr__(self) -> str:
        return f"Pending({self.task}, {self.kind!r}, {self.subject})"


class Strategy(Protocol):
    """Chooses the next task at every scheduling point; lives across executions.

    Its randomness comes from its seed alone, so that the same seed makes the same choices.
    """

    def begin(self, execution: int) -> bool:
        """Get ready for this execution, counted from 0; False where there is none left to try."""
        ...

    def choose(self, ready: Sequence[Pending], current: int | None) -> int:
        """The index into `ready` of the task to run next.

        `ready` holds at least two tasks, by number. `current` is the number of the task that has
        just run; None where it has ended or waits, and so is not among them.
        """
        ...
