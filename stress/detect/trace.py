"""The trace of one execution: its steps, what comes before what, and which locks are held.

Two steps are ordered where one task makes both, and where one task hands something over to
another: a lock that it frees and the other takes, a thread that it starts or that the other waits
for, an event, a permit, an item of a queue. Vector clocks: Mattern, "Virtual time and global states
of distributed systems", 1989; a step is compared by its epoch, as in Flanagan, Freund: "FastTrack:
efficient and precise dynamic race detection", PLDI 2009. Their clocks move at every release; so do
these, and are shared by all steps between.

There are two orders. In the first one everything counts. In the second locks do not, since who had
the lock first is a matter of chance: it says what could have been at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stress.detect.dependence import Span
from stress.steps import Step

Clock = list[int]

#: Kinds of operations on what tasks synchronize by: they take over what others left there.
_TAKES = frozenset({"acquire", "get", "wait", "is set"})
#: They leave there what the task has done.
_LEAVES = frozenset({"release", "put", "set"})
_LOCKS = frozenset({"Lock", "RLock", "Condition"})
_SIGNALS = frozenset({"Event", "Semaphore", "SimpleQueue"})
#: What the models of the engine call what they stand for.
SYNCHRONIZERS = _LOCKS | _SIGNALS | {"Thread", "time"}


class Position(NamedTuple):
    """Where a task stands in one function on its stack; `span` where that is known."""

    file: str
    function: str
    instruction: int
    span: Span | None


#: Of a task, the outermost function first.
Stack = Sequence[Position]


class Held(NamedTuple):
    """A lock that a task has: its number, and the step that took it."""

    lock: int
    step: int


def is_of_model(step: Step) -> bool:
    """Whether it is an operation on what tasks synchronize by, and none on plain memory."""
    return not step.site.function and step.site.name in SYNCHRONIZERS


class Trace:
    """What one execution was like. All sequences go by the place of a step."""

    def __init__(
        self,
        steps: Sequence[Step],
        values: Sequence[str] = (),
        stacks: Sequence[Stack] = (),
        *,
        ended: bool = False,
    ) -> None:
        self.steps = steps
        #: What was read, or is there after a write; and where tasks stood. Of an execution that was
        #: recorded, of others there is nothing.
        self.values = values
        self.stacks = stacks
        #: What several detectors ask for, made once: see `accesses_of`.
        self.made: dict[str, Any] = {}
        #: The locks that its task has while it makes the step, the oldest first.
        self.held: list[tuple[Held, ...]] = []
        #: Those that tasks have at the end, without those that others give back; and whether that
        #: is the end of all tasks.
        self.left: dict[int, tuple[Held, ...]] = {}
        self.ended = ended
        self._clocks = _Clocks(_LOCKS | _SIGNALS).read(steps, self.held, self.left)

    def ordered(self, first: int, second: int) -> bool:
        """Whether the first step comes before the second, which is later in the execution."""
        return _is_before(self._clocks, self.steps[first].task, first, second)

    def apart(self, first: int, second: int) -> bool:
        """Whether the two could not have been at the same time even if locks had no order."""
        if "loose" not in self.made:
            self.made["loose"] = _Clocks(_SIGNALS).read(self.steps, [], {})
        clocks = self.made["loose"]
        return _is_before(clocks, self.steps[first].task, first, second) or _is_before(
            clocks, self.steps[second].task, second, first
        )


def _is_before(clocks: Sequence[Clock], task: int, first: int, second: int) -> bool:
    """By the epoch of the first step, which is of that task."""
    clock = clocks[second]
    return task < len(clock) and clock[task] >= clocks[first][task]


class _Clocks:
    """Clocks of tasks and of what they synchronize by. A clock is never changed: it is replaced."""

    def __init__(self, by: frozenset[str]) -> None:
        self._by = by
        self.clocks: list[Clock] = []
        self._left: dict[int, Clock] = {}
        self._last = 0

    def read(
        self,
        steps: Sequence[Step],
        held: list[tuple[Held, ...]],
        left: dict[int, tuple[Held, ...]],
    ) -> list[Clock]:
        """The clock of each step; what its task holds then goes to `held`, and what tasks have at
        the end to `left`."""
        clocks, locks = self.clocks, _Locks()
        found: list[Clock] = []
        for place, step in enumerate(steps):
            task = step.task
            while len(clocks) < step.born:
                self._be_born(len(clocks))
            self._last = task
            if step.site.function:
                # Most are on plain memory, and change nothing here.
                held.append(locks.of.get(task, ()))
                found.append(clocks[task])
                continue
            self._take(step)
            held.append(locks.advance(place, step))
            found.append(clocks[task])
            if is_of_model(step):
                self._leave(step)
        for task, of_task in locks.of.items():
            left[task] = tuple(one for one in of_task if one.lock not in locks.signals)
        return found

    def _take(self, step: Step) -> None:
        """The task of the step takes over what others left."""
        clocks, task = self.clocks, step.task
        if step.joins:
            for joined in step.joins:
                clocks[task] = _joined(clocks[task], clocks[joined])
        elif step.site.kind in _TAKES and step.site.name in self._by:
            left = self._left.get(step.subject)
            if left is not None:
                clocks[task] = _joined(clocks[task], left)

    def _leave(self, step: Step) -> None:
        """What comes later in the task is not what it leaves behind now."""
        site, subject = step.site, step.subject
        if site.name not in self._by:
            return
        if site.kind == "wait" and step.second:
            subject = step.second  # At a condition, its lock.
        elif site.kind not in _LEAVES:
            return
        task = step.task
        clock = self.clocks[task]
        left = self._left.get(subject)
        self._left[subject] = clock if left is None else _joined(clock, left)
        self._tick(task)

    def _be_born(self, task: int) -> None:
        if not task:
            self.clocks.append([1])
            return
        parent = self._last
        clock = self.clocks[parent]
        self.clocks.append([*clock, *[0] * (task - len(clock)), 1])
        self._tick(parent)

    def _tick(self, task: int) -> None:
        clock = self.clocks[task].copy()
        clock[task] += 1
        self.clocks[task] = clock


class _Locks:
    """Who has which lock."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[Held, ...]] = {}
        self._owners: dict[int, int] = {}
        #: Those that somebody gave back who did not have them: a lock that is used as a signal.
        self.signals: set[int] = set()

    def advance(self, place: int, step: Step) -> tuple[Held, ...]:
        """What the task has while it makes the step: without the lock that it takes or frees."""
        task, site, lock = step.task, step.site, step.subject
        before = self.of.get(task, ())
        if site.function or site.name not in _LOCKS:
            return before
        if site.kind == "acquire":
            # Who tries and does not get it goes on without it.
            if self._owners.get(lock, task) == task:
                self._owners[lock] = task
                self.of[task] = (*before, Held(lock, place))
            return before
        if site.kind == "wait" and step.second:
            lock = step.second
        elif site.kind != "release":
            return before
        owner = self._owners.pop(lock, -1)
        if owner != task:
            self.signals.add(lock)
        self.of[owner] = tuple(held for held in self.of.get(owner, ()) if held.lock != lock)
        return self.of.get(task, ())


def _joined(one: Clock, other: Clock) -> Clock:
    """The later of two clocks, task by task; the first of them itself where it is that."""
    if one is other:
        return one
    if len(one) < len(other):
        longer, shorter = other, one
    else:
        longer, shorter = one, other
    made = list(map(max, longer, shorter))
    made += longer[len(shorter) :]
    return one if made == one else made
