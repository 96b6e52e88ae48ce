"""The happens-before order of one execution, and its races: pairs of steps that could be reversed.

Two steps are ordered where one task makes both, where they conflict, or where one makes the other
possible (a lock is freed, a task is started or ends, a waiting task is notified), and so on from
step to step. Vector clocks: Mattern, "Virtual time and global states of distributed systems", 1989.
A race is a pair of conflicting steps of two tasks with nothing ordered between them; with locks, of
two acquisitions in a row, since no release can change places with the acquisition that waits for
it: Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial order
reduction", JACM 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from stress.conflicts import Effect, conflict
from stress.site import Site
from stress.strategy import Pending

Effects = tuple[Effect, ...]

#: Of what is freed by exactly these operations, nobody can take it before.
_LOCKS = frozenset({"Lock", "RLock", "Condition"})
_OPENING = frozenset({"release", "wait", "put"})
#: Operations that wait until there is something, and take it.
_TAKING = frozenset({"acquire", "get"})


class Race(NamedTuple):
    """Two steps, by their places, of which the second could come first: it would then be `late`."""

    first: int
    second: int
    late: Step


class Step:
    """One step of an execution: the `count`-th of its task, from 1.

    `clock` holds, per task, how many of its steps happen before this one, itself included.
    """

    __slots__ = ("clock", "count", "effects", "site", "task", "waits")

    def __init__(self, pending: Pending, count: int, effects: Effects, clock: list[int]) -> None:
        self.task = pending.task
        self.site = pending.site
        self.waits = pending.waits
        self.count = count
        self.effects = effects
        self.clock = clock

    @property
    def takes_lock(self) -> bool:
        """Whether it waits for a lock, which nobody can take before it is free."""
        return self.waits and self.site.kind in _TAKING and self.site.name in _LOCKS

    def before(self, other: Step) -> bool:
        """Whether it happens before the other one, which comes later."""
        clock = other.clock
        return self.task < len(clock) and clock[self.task] >= self.count

    def is_like(self, other: Step) -> bool:
        """Whether steps of the same names come before that one of another execution."""
        return all(one == two for one, two in zip_longest(self.clock, other.clock, fillvalue=0))


def independent(some: Effects, others: Effects) -> bool:
    """Whether it is all the same which of two operations comes first."""
    return not any(conflict(one, other) for one in some for other in others)


class Order:
    """The steps of one execution as they come, with their order and the races between them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        #: What tasks wait for in vain at the end.
        self.blocked: list[Step] = []
        self.races: list[Race] = []
        #: The last step of each task, by number, and how often the clock woke the task before it.
        self._last: dict[int, Step] = {}
        self._woken: dict[int, int] = {}
        #: What is known to come before the next step of a task, beside its last step: `_past`
        #: whatever it is about to do, `_enabled` since it could not do that until then.
        self._past: dict[int, list[int]] = {}
        self._enabled: dict[int, list[int]] = {}
        #: By object and name on it, the last step that changed it, and of each task the last that
        #: looked; by object, the names. What came before these is ordered before them.
        self._changed: dict[tuple[int, str], int] = {}
        self._looked: dict[tuple[int, str], dict[int, int]] = {}
        self._names: dict[int, dict[str, None]] = {}
        #: By object, the last step that waited for it and took it, and who tried to since.
        self._taken: dict[int, list[int]] = {}
        self._ready: frozenset[int] = frozenset()
        #: What tasks that are not ready are about to do.
        self._waiting: dict[int, Site] = {}
        self._ready_before: list[int] = []
        self._born = 0

    def see(self, ready: Sequence[int], pending: Sequence[Pending]) -> list[int]:
        """What the last step did to the others; gives whose next operation is to be looked at."""
        last = self.steps[-1] if self.steps else None
        if last is not None and self._is_as_before(ready, pending):
            return [last.task]
        self._ready_before = list(ready)
        now = frozenset(ready)
        new = [task for task in ready if task not in self._ready]
        if last is not None:
            for task in range(self._born, len(pending)):
                self._past[task] = last.clock
            for task in new:
                if task != last.task:
                    self._enabled[task] = last.clock
            for task, site in self._waiting.items():
                if pending[task].site is not site:
                    # Notified, it now waits for the lock.
                    self._past[task] = _joined(self._past.get(task), last.clock)
            for task in new:
                if pending[task].woken != self._woken.get(task, 0):
                    self._woken[task] = pending[task].woken
                    self._past[task] = self._everything()
        self._born = len(pending)
        self._waiting = {
            task: pending[task].site for task in range(len(pending)) if task not in now
        }
        self._ready = now
        if last is not None and last.task in now and last.task not in new:
            new.append(last.task)
        return new

    def _is_as_before(self, ready: Sequence[int], pending: Sequence[Pending]) -> bool:
        """Whether the last step made nobody ready, and let nobody wait for something else."""
        return (
            self._ready_before == ready
            and self._born == len(pending)
            and all(pending[task].site is site for task, site in self._waiting.items())
        )

    def add(self, pending: Pending, effects: Effects) -> Step:
        """The task of `pending` makes its step now."""
        task = pending.task
        place = len(self.steps)
        last = self._last.get(task)
        past = _joined(self._past.pop(task, None), last.clock if last else [])
        enabled = self._enabled.pop(task, None)
        clock = past if enabled is None else _joined(enabled, past)
        for joined in pending.joins:
            end = self._last.get(joined)
            if end is not None:
                clock = _joined(end.clock, clock)
        count = 1 if last is None else last.count + 1
        step = Step(pending, count, effects, clock)
        races = {}
        for place_before in sorted(self._conflicting(effects), reverse=True):
            before = self.steps[place_before]
            if before.before(step):
                continue
            step.clock = _joined(before.clock, step.clock)
            if not (step.takes_lock and before.site.kind in _OPENING):
                races[place_before] = Race(place_before, place, step)
        if pending.waits:
            races.update(self._races_for_gate(step, pending, place, past))
        self.races += races.values()
        if step.clock is past or step.clock is enabled:
            step.clock = list(step.clock)
        _enter(step)
        self.steps.append(step)
        self._last[task] = step
        self._remember(step, place)
        return step

    def block(self, pending: Pending, effects: Effects) -> None:
        """The task of `pending` waits for ever: who took what it waits for could come later."""
        last = self._last.get(pending.task)
        past = _joined(self._past.get(pending.task), last.clock if last else [])
        step = Step(pending, last.count + 1 if last else 1, effects, list(past))
        _enter(step)
        self.blocked.append(step)
        self.races += self._races_for_gate(step, pending, len(self.steps), past).values()

    def _remember(self, step: Step, place: int) -> None:
        for subject, name, only_looks in step.effects:
            self._names.setdefault(subject, {})[name] = None
            if only_looks:
                self._looked.setdefault((subject, name), {})[step.task] = place
                continue
            self._changed[subject, name] = place
            if step.site.kind in _TAKING:
                if step.waits:
                    self._taken[subject] = [place]
                else:
                    self._taken.setdefault(subject, []).append(place)

    def _conflicting(self, effects: Effects) -> set[int]:
        """Places of the last steps that conflict with these effects."""
        found: set[int] = set()
        for subject, name, only_looks in effects:
            names = self._names.get(subject, {})
            for other in (name, "") if name else names:
                if other not in names:
                    continue
                if (subject, other) in self._changed:
                    found.add(self._changed[subject, other])
                if not only_looks:
                    found.update(self._looked.get((subject, other), {}).values())
        return found

    def _races_for_gate(
        self, step: Step, pending: Pending, place: int, past: list[int]
    ) -> dict[int, Race]:
        """With the last one that took what this step has to wait for, they could change places."""
        races: dict[int, Race] = {}
        if step.site.kind not in _TAKING:
            return races
        late = step
        if step.takes_lock:
            # Then it is not after who had the lock, nor after what that was after.
            late = Step(pending, step.count, step.effects, list(past))
            _enter(late)
        for effect in step.effects:
            for place_before in reversed(self._taken.get(effect.subject, ())):
                before = self.steps[place_before]
                known = before.task < len(past) and past[before.task] >= before.count
                if before.task == step.task or known:
                    break
                races[place_before] = Race(place_before, place, late)
        return races

    def _everything(self) -> list[int]:
        """The clock of who comes after all steps so far."""
        clock: list[int] = []
        for step in self._last.values():
            clock = _joined(step.clock, clock)
        return clock


def _enter(step: Step) -> None:
    step.clock.extend([0] * (step.task + 1 - len(step.clock)))
    step.clock[step.task] = step.count


def _joined(one: list[int] | None, other: list[int]) -> list[int]:
    """The later of two clocks, task by task; `other` itself where there is nothing to join."""
    if not one:
        return other
    if not other:
        return list(one)
    if len(one) < len(other):
        one, other = other, one
    joined = list(map(max, one, other))
    joined.extend(one[len(other) :])
    return joined
