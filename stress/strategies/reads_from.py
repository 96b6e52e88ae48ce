"""What executions show: which read saw which write, and in which order tasks came to each object.

Of the first, RFF makes its plans: Wolff, Shi, Duck, Mathur, Roychoudhury: "Greybox fuzzing for
concurrency testing", ASPLOS 2024. A read is a place in the source and how often it was passed.
Locks are read and written as well, by whoever acquires them: the order of two critical sections is
who reads from whom. The second, a timeline per object, is finer: it is what the feedback of Fray
goes by (FEST, NSDI 2026).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from stress.conflicts import Effect, effects_of
from stress.site import Site
from stress.strategy import Pending

#: Later reads at the same place in the source are not told apart.
TIMES = 3
#: Operations that write without a look at what was there.
STORES = frozenset({"write", "write item"})
_BLIND = STORES | {"set", "clear"}

#: A place in the source; that of a lock's operations is where the task was before.
Operation = tuple[Site, Site | None]
Read = tuple[Operation, int]
#: What was there at the beginning is None.
Source = Operation | None


class Seen(NamedTuple):
    """What a read saw in an execution, and which task made it."""

    read: Read
    source: Source
    task: int


class Place:
    """What an execution saw of an object, or of one name of it."""

    __slots__ = ("changed", "last", "operations", "tasks", "timeline", "writes")

    def __init__(self) -> None:
        self.last: Source = None
        self.operations: set[Operation] = set()
        self.writes: dict[Operation, None] = {}
        self.tasks: set[int] = set()
        self.timeline: list[int] = []
        self.changed = False


class ReadsFrom:
    """Looks on while one execution is made, step by step."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.places: dict[tuple[int, str], Place] = {}
        self.counts: Counter[Operation] = Counter()
        #: What each task is about to do.
        self.next: dict[int, tuple[Site, Operation, tuple[Effect, ...]]] = {}
        self._before: dict[int, Site] = {}

    def look_at(self, pending: Pending) -> None:
        """A ready task is about to do this."""
        known = self.next.get(pending.task)
        site = pending.site
        if known is None or known[0] is not site:
            # Operations of the standard library's classes have one place for all.
            before = None if site.function else self._before.get(pending.task)
            self.next[pending.task] = site, (site, before), effects_of(pending)

    def see(self, ready: Sequence[int], pending: Sequence[Pending], chosen: int) -> None:
        """All ready tasks are about to do something, and one of them does."""
        for task in ready:
            self.look_at(pending[task])
        if chosen in ready:  # Of what is not, the engine says so.
            self.make(chosen)

    def next_read(self, operation: Operation) -> Read:
        """What it is as a read if it is made now."""
        return operation, min(self.counts[operation] + 1, TIMES)

    def last_write(self, effect: Effect) -> Source:
        """What a read of that would see now."""
        place = self.places.get((effect.subject, effect.name))
        return place.last if place else None

    def make(self, task: int) -> None:
        """The task makes its step."""
        site, operation, effects = self.next.pop(task)
        self._before[task] = site
        if not effects or site.kind == "release":
            return  # Who acquires a lock sees who had it.
        read = self.next_read(operation)
        self.counts[operation] += 1
        for effect in effects:
            key = (effect.subject, effect.name)
            place = self.places.get(key)
            if place is None:
                place = self.places[key] = Place()
            place.operations.add(operation)
            place.tasks.add(task)
            place.timeline.append(task)
            if self.counts[operation] <= TIMES and site.kind not in _BLIND:
                self.seen.append(Seen(read, place.last, task))
            if not effect.only_looks:
                place.last = operation
                place.writes[operation] = None
                place.changed = True


class Behaviour:
    """What all executions so far have shown."""

    def __init__(self) -> None:
        #: The operations on what several tasks share, by a number for each such place.
        self.groups: dict[Operation, int] = {}
        #: The writes that a read of such a place may see.
        self.writes: dict[int, dict[Operation, None]] = {}
        #: How often a read at a place in the source saw a write.
        self.pairs: Counter[tuple[Operation, Source]] = Counter()
        #: By what each read saw.
        self._signatures: set[int] = set()
        self._timelines: set[int] = set()
        self._interleavings: set[int] = set()

    @property
    def interleavings(self) -> int:
        """How many different executions there were, by the orders at all objects."""
        return len(self._interleavings)

    @property
    def timelines(self) -> int:
        """How many orders there were in which tasks came to an object."""
        return len(self._timelines)

    def add(self, execution: ReadsFrom) -> tuple[Sequence[Seen], bool]:
        """What the reads of shared places saw, and whether an execution was never so before."""
        timelines = []
        for place in execution.places.values():
            if place.changed and len(place.tasks) > 1:
                number = self._join(place)
                timelines.append(hash((number, tuple(place.timeline))))
        self._timelines.update(timelines)
        self._interleavings.add(hash(tuple(sorted(timelines))))
        seen = [one for one in execution.seen if one.read[0] in self.groups]
        for one in seen:
            self.pairs[one.read[0], one.source] += 1
        signature = hash(frozenset((one.read, one.source) for one in seen))
        is_new = signature not in self._signatures
        self._signatures.add(signature)
        return seen, is_new

    def sources(self, read: Read) -> tuple[Source, ...]:
        """All that it may see."""
        return (None, *self.writes[self.groups[read[0]]])

    def _join(self, place: Place) -> int:
        """Operations on the same place may read from each other."""
        groups = self.groups
        numbers = {groups[operation] for operation in place.operations if operation in groups}
        number = min(numbers, default=len(self.writes))
        writes = self.writes.setdefault(number, {})
        for other in numbers - {number}:
            writes.update(self.writes[other])
            self.writes[other] = {}
            for operation in [o for o, n in groups.items() if n == other]:
                groups[operation] = number
        writes.update(place.writes)
        for operation in place.operations:
            groups[operation] = number
        return number
