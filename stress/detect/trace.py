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
from typing import NamedTuple

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


class Held(NamedTuple):
    """A lock that a task has: its number, and the step that took it."""

    lock: int
    step: int


def is_of_model(step: Step) -> bool:
    """Whether it is an operation on what tasks synchronize by, and none on plain memory."""
    return not step.site.function and step.site.name in SYNCHRONIZERS


class Trace:
    """What one execution was like. All sequences go by the place of a step."""

    def __init__(self, steps: Sequence[Step], values: Sequence[str] = ()) -> None:
        self.steps = steps
        #: What was read, or is there after a write, where that is known.
        self.values = values
        #: The locks that its task has while it makes the step, the oldest first.
        self.held: list[tuple[Held, ...]] = []
        #: Of the first order, the clock of the task and how far it was itself; of the second too.
        self._clocks: list[Clock] = []
        self._epochs: list[int] = []
        self._loose: list[Clock] = []
        self._loose_epochs: list[int] = []
        self._read()

    def ordered(self, first: int, second: int) -> bool:
        """Whether the first step comes before the second, which is later in the execution."""
        task = self.steps[first].task
        clock = self._clocks[second]
        return task < len(clock) and clock[task] >= self._epochs[first]

    def apart(self, first: int, second: int) -> bool:
        """Whether the two could not have been at the same time even if locks had no order."""
        one, other = self.steps[first].task, self.steps[second].task
        clock, other_clock = self._loose[first], self._loose[second]
        return (one < len(other_clock) and other_clock[one] >= self._loose_epochs[first]) or (
            other < len(clock) and clock[other] >= self._loose_epochs[second]
        )

    def _read(self) -> None:
        strict, loose = _Clocks(_LOCKS | _SIGNALS), _Clocks(_SIGNALS)
        locks = _Locks()
        for place, step in enumerate(self.steps):
            task = step.task
            strict.advance(step)
            loose.advance(step)
            self.held.append(locks.advance(place, step))
            self._clocks.append(strict.clocks[task])
            self._epochs.append(strict.epoch(task))
            self._loose.append(loose.clocks[task])
            self._loose_epochs.append(loose.epoch(task))
            if is_of_model(step):
                strict.leave(step)
                loose.leave(step)


class _Clocks:
    """Clocks of tasks and of what they synchronize by. A clock is never changed: it is replaced."""

    def __init__(self, by: frozenset[str]) -> None:
        self._by = by
        self.clocks: list[Clock] = []
        self._left: dict[int, Clock] = {}
        self._last = 0

    def epoch(self, task: int) -> int:
        """How often the task has left something."""
        return self.clocks[task][task]

    def advance(self, step: Step) -> None:
        """The task of the step takes over what others left."""
        clocks = self.clocks
        while len(clocks) < step.born:
            self._be_born(len(clocks))
        self._last = task = step.task
        if step.joins:
            for joined in step.joins:
                clocks[task] = _joined(clocks[task], clocks[joined])
        elif not step.site.function and step.site.kind in _TAKES and step.site.name in self._by:
            left = self._left.get(step.subject)
            if left is not None:
                clocks[task] = _joined(clocks[task], left)

    def leave(self, step: Step) -> None:
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
        self._of: dict[int, tuple[Held, ...]] = {}
        self._owners: dict[int, int] = {}

    def advance(self, place: int, step: Step) -> tuple[Held, ...]:
        """What the task has while it makes the step: without the lock that it takes or frees."""
        task, site, lock = step.task, step.site, step.subject
        before = self._of.get(task, ())
        if site.function or site.name not in _LOCKS:
            return before
        if site.kind == "acquire":
            # Who tries and does not get it goes on without it.
            if self._owners.get(lock, task) == task:
                self._owners[lock] = task
                self._of[task] = (*before, Held(lock, place))
            return before
        if site.kind == "wait" and step.second:
            lock = step.second
        elif site.kind != "release":
            return before
        owner = self._owners.pop(lock, task)
        self._of[owner] = tuple(held for held in self._of.get(owner, ()) if held.lock != lock)
        return self._of.get(task, ())


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
