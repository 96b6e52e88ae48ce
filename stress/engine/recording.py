"""Recording: what every step was, where, and who could have gone on instead.

Costs some ten microseconds a step, so that only executions that are worth it are recorded: a
finding is executed again with the same choices, and that execution is recorded.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

from stress.conflicts import only_looks
from stress.engine.outcome import Waiting
from stress.engine.places import FRAMES, Places, Stack, as_frame, is_ours
from stress.engine.recursion import TOO_DEEP, is_near_the_end
from stress.engine.subjects import Subjects
from stress.engine.task import Task
from stress.engine.values import has_value, told, value_of
from stress.events import Anchor, Event
from stress.frame import Frame
from stress.strategy import Pending

Choose = Callable[[Sequence[int], Sequence[Pending], int | None], int]

_WITH_NAMES = (type, FunctionType, ModuleType)
_BEGIN = Anchor("begin", "", "", 1)


class Recorder:
    """Keeps the events of one execution. `enforcing` is off where choices come from a schedule."""

    def __init__(self, places: Places, *, enforcing: bool = True) -> None:
        self.events: list[Event] = []
        self.waiting: list[Waiting] = []
        self.enforcing = enforcing
        #: Of the threads, by number of the task.
        self.names: dict[int, str] = {}
        self._execution: Any = None
        self._occurrences: Counter[tuple[int, str, str, str]] = Counter()
        self._frames: dict[int, Frame | None] = {}
        #: Of each event, where its task stood.
        self.stacks: list[Stack] = []
        self._stacks: dict[int, Stack] = {}
        self._places = places
        self._subjects: dict[int, str] = {}
        self._objects = Subjects()
        # Held while the execution lasts: who holds which of them is part of a deadlock's report.
        self._locks: dict[int, Any] = {}
        #: The last write, whose value is there when its task has gone on.
        self._written: tuple[str, str, Any] | None = None
        #: What writes left, by step.
        self._values: dict[int, str] = {}

    def clear(self) -> None:
        """Forget everything: the execution begins anew."""
        self.__init__(self._places, enforcing=self.enforcing)  # type: ignore[misc]

    def attach(self, execution: Any) -> None:
        """Called by the execution that is recorded."""
        self._execution = execution

    def begun(self, task: Task) -> None:
        """A task was made: it is about to begin."""
        task.pending.anchor = _BEGIN
        self._subjects[task.number] = ""
        self._frames[task.number] = None
        self._stacks[task.number] = ()

    def announce(self, task: Task) -> None:
        """A task says what it is about to do."""
        self._objects.sweep()
        if is_near_the_end():
            self._execution.uncontrolled.setdefault(TOO_DEEP)
        pending = task.pending
        if task.name:
            self.names[task.number] = task.name
        site, subject = pending.site, pending.object
        frame, self._stacks[task.number] = self._places.look(sys._getframe(1))
        self._frames[task.number] = frame
        function = site.function or (frame.function if frame else "")
        key = (task.number, site.kind, site.name, function)
        self._occurrences[key] += 1
        pending.anchor = Anchor(site.kind, site.name, function, self._occurrences[key])
        self._subjects[task.number] = self._describe(subject)
        if getattr(type(subject), "is_lock_model", False):
            self._locks[id(subject)] = subject

    def took(self, number: int) -> None:
        """A task goes on: what it announced happens now."""
        self.settle()
        pendings, ready = self._execution.pendings, tuple(self._execution.ready)
        pending = pendings[number]
        site, subject = pending.site, pending.object
        value = ""
        if subject is not None and not pending.waits:
            if only_looks(site.kind, site.name):
                value = self._told(site.kind, site.name, subject)
            elif has_value(site.kind, subject):
                # Nothing else is held: that would end at a later step than without a recorder.
                self._written = site.kind, site.name, subject
        before = self.events[-1].task if self.events else number
        preempted = pendings[before].anchor if before != number and before in ready else None
        self.events.append(
            Event(
                step=len(self.events),
                task=number,
                anchor=pending.anchor or _BEGIN,
                subject=self._subjects[number],
                ready=ready,
                frame=self._frames[number],
                preempted=preempted,
                value=value,
            )
        )
        self.stacks.append(self._stacks[number])

    def settle(self) -> None:
        """Note what the last write left, before anybody does anything else."""
        written, self._written = self._written, None
        if written is not None:
            self._values[len(self.events) - 1] = self._told(*written)

    def finish(self) -> tuple[Event, ...]:
        """The events, when the execution is over: what is written has its value."""
        self.settle()
        # Not before: `replace` may be what is explored.
        return tuple(
            replace(event, value=self._values[event.step])
            if self._values.get(event.step)
            else event
            for event in self.events
        )

    def _told(self, kind: str, name: str, subject: Any) -> str:
        return told(value_of(kind, name, subject), self._describe_value)

    def _describe_value(self, value: Any) -> str:
        if issubclass(type(value), _WITH_NAMES):  # `isinstance` would ask the object.
            return str(value.__name__)
        number = self._objects.known(value)
        return f"{type(value).__name__} {number}" if number else f"a {type(value).__name__}"

    def choosing(self, choose: Choose) -> Choose:
        """`choose`, recorded."""

        def recorded(ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
            chosen = choose(ready, pending, current)
            if chosen in ready:
                self.took(chosen)
            return chosen

        return recorded

    def note_waiting(self, tasks: Sequence[Task]) -> None:
        """Nobody can go on: keep who waits for what, with stacks and held locks."""
        self.settle()
        for task in tasks:
            if not task.alive or task.blocked is None:
                continue
            owner = task.blocked.owner
            held = [lock for lock in self._locks.values() if lock.owner is task]
            self.waiting.append(
                Waiting(
                    task=task.number,
                    name=task.name,
                    kind=task.pending.site.kind,
                    subject=self._describe(task.blocked),
                    owner=None if owner is None or owner is task else owner.number,
                    held=tuple(self._describe(lock) for lock in held),
                    frames=self._stack(task),
                )
            )

    def _stack(self, task: Task) -> tuple[Frame, ...]:
        frame = task.unit.frame or sys._getframe(2)
        found: list[Frame] = []
        inside = True
        while frame is not None and len(found) < FRAMES:
            ours = is_ours(frame.f_code.co_filename)
            inside = inside and ours
            if ours and not inside:
                break  # The frames of a carrier, below those of the program.
            if not ours:
                found.append(as_frame(frame))
            frame = frame.f_back
        return tuple(found)

    def _describe(self, subject: Any) -> str:
        if subject is None:
            return ""
        if type(subject) is dict and "__builtins__" in subject:
            return f"module {subject.get('__name__')}"
        if isinstance(subject, ModuleType):
            return f"module {subject.__name__}"
        if isinstance(subject, Task):
            return f"task {subject.number}"
        if getattr(type(subject), "is_gate_of", False):
            subject = subject.of  # The condition or event that the task waits at.
        return f"{type(subject).__name__} {self._objects.number(subject)}"
