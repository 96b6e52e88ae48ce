"""Events: what happened in a recorded execution, step by step. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from stress.frame import Frame


@dataclass(frozen=True, slots=True)
class Anchor:
    """An operation by what it is, not by when: it outlives unrelated edits and Python versions.

    The `occurrence`-th time, from 1, that its task is about to do this `kind` of operation on this
    `name` in this `function` of the program.
    """

    kind: str
    name: str
    function: str
    occurrence: int

    def __str__(self) -> str:
        what = f"{self.kind} {self.name}" if self.name else self.kind
        where = f" in {self.function}" if self.function else ""
        again = f" (time {self.occurrence})" if self.occurrence > 1 else ""
        return f"{what}{where}{again}"


@dataclass(frozen=True, slots=True)
class Event:
    """One step: what a task was about to do, with which object, and where in the program.

    `subject` describes the object; equal numbers in it mean the same object. `ready` holds the
    tasks that could have gone on instead, the task itself among them. `preempted` is what the task
    before was about to do, where that is another one and could have gone on. `value` is what was
    read, or what is there after a write; empty where that is not seen.
    """

    step: int
    task: int
    anchor: Anchor
    subject: str
    ready: tuple[int, ...]
    frame: Frame | None
    preempted: Anchor | None = None
    # A time, say, is another one each time: two executions are compared by what is done in them.
    value: str = field(default="", compare=False)
