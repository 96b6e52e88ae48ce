"""Recording: what every step was, where, and who could have gone on instead.

Costs some ten microseconds a step, so that only executions that are worth it are recorded: a
finding is executed again with the same choices, and that execution is recorded.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from stress.conflicts import only_looks
from stress.engine.outcome import Waiting
from stress.engine.recursion import TOO_DEEP, is_near_the_end
from stress.engine.subjects import Subjects
from stress.engine.task import Task
from stress.engine.values import told, value_of
from stress.events import Anchor, Event
from stress.evidence import is_library
from stress.frame import Frame
from stress.strategy import Pending

Place = tuple[CodeType, int]
Stack = tuple[Place, ...]
Choose = Callable[[Sequence[int], Sequence[Pending], int | None], int]

_FRAMES = 40
_WITH_NAMES = (type, FunctionType, ModuleType)
_ENGINE = __file__.rpartition("/")[0] + "/"
#: Below the frames of a task come those of its carrier, and of whoever explores.
_CARRIERS = f"{_ENGINE}carriers.py"
_BEGIN = Anchor("begin", "", "", 1)


class Recorder:
    """Keeps the events of one execution. `enforcing` is off where choices come from a schedule."""

    def __init__(self, *, target: str = "", enforcing: bool = True) -> None:
        self.events: list[Event] = []
        self.waiting: list[Waiting] = []
        self.enforcing = enforcing
        #: Of the threads, by number of the task.
        self.names: dict[int, str] = {}
        self._target = target
        self._execution: Any = None
        self._occurrences: Counter[tuple[int, str, str, str]] = Counter()
        self._frames: dict[int, Frame | None] = {}
        #: Of each event, where its task stood: code and line of each frame, innermost first.
        self.stacks: list[Stack] = []
        self._stacks: dict[int, Stack] = {}
        #: One for all events at the same place.
        self._places: dict[tuple[int, int], Place] = {}
        self._subjects: dict[int, str] = {}
        self._objects = Subjects()
        # Held while the execution lasts: who holds which of them is part of a deadlock's report.
        self._locks: dict[int, Any] = {}
        self._is_library: dict[str, bool] = {}
        #: The last write, whose value is there when its task has gone on.
        self._written: tuple[str, str, Any] | None = None
        #: What writes left, by step.
        self._values: dict[int, str] = {}

    def clear(self) -> None:
        """Forget everything: the execution begins anew."""
        self.__init__(target=self._target, enforcing=self.enforcing)  # type: ignore[misc]

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
        top = sys._getframe(1)
        frame = self._program_frame(top)
        function = site.function or (frame.f_code.co_qualname if frame else "")
        key = (task.number, site.kind, site.name, function)
        self._occurrences[key] += 1
        pending.anchor = Anchor(site.kind, site.name, function, self._occurrences[key])
        self._frames[task.number] = None if frame is None else _as_frame(frame)
        self._stacks[task.number] = self._places_of(top)
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
            else:
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
        while frame is not None and len(found) < _FRAMES:
            ours = _is_ours(frame.f_code.co_filename)
            inside = inside and ours
            if ours and not inside:
                break  # The frames of a carrier, below those of the program.
            if not ours:
                found.append(_as_frame(frame))
            frame = frame.f_back
        return tuple(found)

    def _places_of(self, frame: FrameType | None) -> Stack:
        places: list[Place] = []
        while frame is not None and len(places) < _FRAMES:
            file = frame.f_code.co_filename
            if file == _CARRIERS:
                break
            if not _is_ours(file):
                code, line = frame.f_code, frame.f_lineno or 0
                # Not by the code itself: what is among its constants may have no hash.
                places.append(self._places.setdefault((id(code), line), (code, line)))
            frame = frame.f_back
        return tuple(places)

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

    def _program_frame(self, frame: FrameType | None) -> FrameType | None:
        outermost = None
        while frame is not None:
            file = frame.f_code.co_filename
            if file == _CARRIERS:
                break
            library = self._is_library.get(file)
            if library is None:
                library = self._is_library[file] = is_library(file, self._target)
            if not library:
                return frame
            if not _is_ours(file):
                outermost = outermost or frame
            frame = frame.f_back
        return outermost


def _is_ours(file: str) -> bool:
    return file.startswith(_ENGINE)


def frames_of(stack: Stack) -> tuple[Frame, ...]:
    """A stack as plain data."""
    return tuple(Frame(code.co_filename, line, code.co_qualname) for code, line in stack)


def _as_frame(frame: FrameType) -> Frame:
    return Frame(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname)
