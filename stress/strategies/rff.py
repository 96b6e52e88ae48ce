"""RFF, reads-from feedback: have reads see other writes than they saw, as long as that is new.

Wolff, Shi, Duck, Mathur, Roychoudhury: "Greybox fuzzing for concurrency testing", ASPLOS 2024. An
abstract schedule says which write some reads are to see. An execution is steered towards it: a
read waits for its write, and other writes wait for the read. Where what came of it is new, abstract
schedules are made from it that nobody tried.

It departs from the paper in three things. Schedules are not mutated at random: each differs from
what was seen in one read, and keeps what the same task read before, without which it might never
come there; those with a pair of read and write that was never seen come first. A read is told apart
from a later one at the same place, as far as `TIMES`: the second read of a lost update is another
one than the first. And in the first execution writes wait as long as anything else can go on.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from stress.strategies.draws import Draws
from stress.strategies.reads_from import STORES, Behaviour, Operation, Read, ReadsFrom, Source
from stress.strategy import Pending

#: So many abstract schedules are kept for later.
_KEPT_MAX = 10_000

#: Which write the reads are to see.
Abstract = Mapping[Read, Source]


class RFF:
    """A strategy without an end."""

    every_step = True
    sampled = 0

    def __init__(self, seed: int) -> None:
        self._draws = Draws(seed)
        self._execution = -1
        self.behaviour = Behaviour()
        self._planned: set[int] = set()
        self._tries: Counter[tuple[Read, Source]] = Counter()
        self._frontier: list[tuple[tuple[int, ...], Abstract]] = []
        self._abstract: Abstract = {}
        #: By write, the reads that are to see it.
        self._wanted: defaultdict[Source, list[Read]] = defaultdict(list)
        # Of the execution that is under way.
        self._reads = ReadsFrom()
        self._priorities: list[float] = []

    @property
    def planned(self) -> int:
        """How many abstract schedules are still to be tried."""
        return len(self._frontier)

    def begin(self, execution: int) -> bool:
        """Learn from the execution before, and take up an abstract schedule that nobody tried."""
        if execution != self._execution:
            self.learn()
            self._execution = execution
            self._abstract = heapq.heappop(self._frontier)[1] if self._frontier else {}
            self._wanted = defaultdict(list)
            for read, source in self._abstract.items():
                self._wanted[source].append(read)
        self._draws.begin(execution)
        self._reads, self._priorities = ReadsFrom(), []
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The task with the highest priority of those that need not wait for a read or write."""
        if not ready:
            return 0
        reads = self._reads
        priorities = self._priorities
        while len(priorities) < len(pending):
            priorities.append(self._draws.fraction())
        for task in ready:
            reads.look_at(pending[task])
        chosen = ready[0]
        if len(ready) > 1:
            free = [task for task in ready if not self._waits(task)]
            chosen = max(free or ready, key=self._priorities.__getitem__)
        reads.make(chosen)
        return chosen

    def _waits(self, task: int) -> bool:
        """Whether what a task is about to do is not what the abstract schedule wants now."""
        reads = self._reads
        site, operation, effects = reads.next[task]
        if not self._execution:
            # Nothing is known yet. What was read is old when it is written back.
            return site.kind in STORES
        if not self._abstract:
            return False
        read = reads.next_read(operation)
        for effect in effects:
            last = reads.last_write(effect)
            if read in self._abstract and self._abstract[read] != last:
                return True
            if not effect.only_looks and self._is_to_be_read(last, operation, read):
                return True
        return False

    def _is_to_be_read(self, last: Source, operation: Operation, read: Read) -> bool:
        """Whether somebody is to see what an operation is about to overwrite."""
        wanted = self._wanted.get(last)
        if wanted is None or last == operation:
            return False
        groups = self.behaviour.groups
        return any(
            self._reads.counts[other] < times
            and (other, times) != read
            and groups.get(other) == groups.get(operation)
            for other, times in wanted
        )

    def learn(self) -> None:
        """Learn from the execution that was steered last, once."""
        if self._reads.seen:
            self.learn_from(self._reads, self._abstract)
            self._reads = ReadsFrom()

    def learn_from(self, execution: ReadsFrom, wanted: Abstract | None = None) -> None:
        """From what an execution has shown, plan others; `wanted` is what it was steered to."""
        seen, is_new = self.behaviour.add(execution)
        if not is_new:
            return
        wanted = wanted or {}
        kept = {
            one.read: one.source
            for one in seen
            if one.read in wanted and wanted[one.read] == one.source
        }
        of_task: dict[int, dict[Read, Source]] = {}
        for one in seen:
            before = of_task.setdefault(one.task, {})
            for source in self.behaviour.sources(one.read):
                # The first time at a place nobody was there before.
                if source != one.source and one.read != (source, 1):
                    self._plan({**kept, **before, one.read: source}, one.read, source)
            before[one.read] = one.source

    def _plan(self, abstract: Abstract, read: Read, source: Source) -> None:
        # Many are kept for long, and the collector looks through all that is not a number.
        mark = hash(frozenset(abstract.items()))
        if mark in self._planned or len(self._frontier) >= _KEPT_MAX:
            return
        self._planned.add(mark)
        # What was never seen comes first, and what was not tried so often.
        known, tries = self.behaviour.pairs[read[0], source], self._tries[read, source]
        self._tries[read, source] += 1
        rank = (known, tries, len(abstract), len(self._planned))
        heapq.heappush(self._frontier, (rank, abstract))
