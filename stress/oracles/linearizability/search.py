"""The search for a linearization of one history, with a memo of what was tried.

J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", JPDC 17 (1993); the memo is of
G. Lowe, "Testing for linearizability", CCPE 29 (2017).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic

from stress.errors import InvalidArgument
from stress.finding import Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability.model import Model, State, error_type, frozen, verb


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds by count, so that the answer is the same on every machine.

    `states`: so often the model is asked for its next states, in a whole check. `memo`: so many
    pairs of calls done and state are kept at a time; a few hundred bytes each, beside the states.
    """

    states: int = 2_000_000
    memo: int = 200_000


@dataclass(frozen=True, slots=True)
class Search:
    """What came of a search. `order` are positions in the history, where it HOLDS.

    `stuck` is the position of the call whose return the search never came past, where it is
    VIOLATED: until then the history is linearizable, and with that return it is not. -1 where a
    shortcut decided, which does not know.
    """

    verdict: Verdict
    order: tuple[int, ...] = ()
    states: int = 0
    memo: int = 0
    bound: str = ""
    stuck: int = -1


def with_open_ends(calls: Sequence[Call], model: Model[State]) -> list[Call]:
    """The history as the model sees it, by the time of the calls.

    Who raised what is no answer may have taken effect, then or later, as who never returned: both
    are pending. Raises InvalidArgument where a call ended before it began.
    """
    seen = []
    for call in sorted(calls, key=lambda call: call.began_ns):
        if not call.pending and call.ended_ns < call.began_ns:
            raise InvalidArgument(
                f"call {call.step} of {call.actor} ({call.name}) ended before it began: "
                f"{call.ended_ns} < {call.began_ns}"
            )
        seen.append(without_answer(call) if _is_open(call, model) else call)
    return seen


def without_answer(call: Call) -> Call:
    """The same call, as one of which nobody knows whether it took effect."""
    return Call(
        call.actor, call.step, call.name, call.arguments, None, call.error, call.error_place,
        call.began_ns, call.ended_ns, pending=True,
    )  # fmt: skip


def _is_open(call: Call, model: Model[State]) -> bool:
    return call.pending or bool(call.error and error_type(call) not in model.errors)


def search(calls: Sequence[Call], model: Model[State], limits: Limits) -> Search:
    """Look for an order of the calls that the model allows and real time does not forbid.

    `calls` are as `with_open_ends` gives them. Calls of which the end of one and the beginning of
    the other are the same moment count as overlapping.
    """
    decided = model.shortcut(calls) if model.shortcut else None
    if decided is not None:
        verdict = Verdict.VIOLATED if decided.order is None else Verdict.HOLDS
        return Search(verdict, decided.order or (), len(calls))
    return _Searcher(calls, model, limits).run()


class _Searcher(Generic[State]):
    """Entries of calls and returns in a linked list, in the order of time: call i is entry i + 1,
    its return entry n + 1 + i, and the list begins and ends at 0. A pending call has no return.
    """

    def __init__(self, calls: Sequence[Call], model: Model[State], limits: Limits) -> None:
        self._calls, self._model, self._limits = calls, model, limits
        self._count = len(calls)
        # What a read without an answer saw is no matter: it is left out.
        idle = [call.pending and verb(call) in model.reads for call in calls]
        self._is_read = [verb(call) in model.reads for call in calls]
        self._link(idle)
        self._twin = _twins(calls)
        self._open = sum(not call.pending for call in calls)
        self._bits = self._states = 0
        self._memo: set[tuple[int, int, State]] = set()

    def _link(self, idle: Sequence[bool]) -> None:
        count = self._count
        events = []
        for number, call in enumerate(self._calls):
            if not idle[number]:
                events.append((call.began_ns, 0, number + 1))
            if not call.pending:
                events.append((call.ended_ns, 1, count + 1 + number))
        entries = [0, *(entry for _, _, entry in sorted(events)), 0]
        self._next, self._before = [0] * (2 * count + 1), [0] * (2 * count + 1)
        for left, right in pairwise(entries):
            self._next[left], self._before[right] = right, left

    def run(self) -> Search:
        """Depth first. A frame is what was done last, and what else could have been."""
        following = self._next
        state = self._model.initial
        done: list[tuple[int, State, Iterator[State], list[int]]] = []
        reads = self._take_reads(state)
        first = reads
        entry, options = following[0], self._options(following[0], state)
        furthest = (float("-inf"), 0)
        while self._open:
            if self._states > self._limits.states or len(self._memo) >= self._limits.memo:
                return self._unknown()
            if 0 < entry <= self._count:
                after = next(options, None)
                if after is None:
                    entry = following[entry]
                    options = self._options(entry, state)
                    continue
                self._lift(entry)
                reads = self._take_reads(after)
                if self._is_new(after):
                    done.append((entry, state, options, reads))
                    state, entry = after, following[0]
                    options = self._options(entry, state)
                else:
                    self._put_back(reads)
                    self._unlift(entry)
                continue
            # A call returned that nothing could be done about: what was done last was wrong.
            furthest = max(furthest, (self._calls[entry - self._count - 1].ended_ns, entry))
            if done:
                entry, state, options, reads = done.pop()
                self._put_back(reads)
                self._unlift(entry)
            else:
                stuck = furthest[1] - self._count - 1
                return Search(Verdict.VIOLATED, (), self._states, len(self._memo), stuck=stuck)
        order = [read - 1 for read in first]
        for entry, _, _, reads in done:
            order += [entry - 1, *(read - 1 for read in reads)]
        return Search(Verdict.HOLDS, tuple(order), self._states, len(self._memo))

    def _unknown(self) -> Search:
        limits = self._limits
        if self._states > limits.states:
            bound = f"the limit of {limits.states:,} states was reached"
        else:
            bound = f"the memo's limit of {limits.memo:,} entries was reached"
        return Search(Verdict.UNKNOWN, (), self._states, len(self._memo), bound)

    def _options(self, entry: int, state: State) -> Iterator[State]:
        """The states that the call of an entry can lead to."""
        if not 0 < entry <= self._count or self._is_read[entry - 1]:
            return iter(())
        twin = self._twin[entry - 1]
        if twin >= 0 and not self._bits >> twin & 1:
            # An earlier call that is as good: whatever this one explains, that one does.
            return iter(())
        self._states += 1
        return iter(self._model.step(state, self._calls[entry - 1]))

    def _take_reads(self, state: State) -> list[int]:
        """Do all reads that fit now. They change nothing, so that later would be no better."""
        taken: list[int] = []
        if not self._model.reads:
            return taken
        following, calls, is_read = self._next, self._calls, self._is_read
        entry = following[0]
        while 0 < entry <= self._count:
            after = following[entry]
            if is_read[entry - 1]:
                self._states += 1
                if any(True for _ in self._model.step(state, calls[entry - 1])):
                    self._lift(entry)
                    taken.append(entry)
                    after = following[self._before[entry]]
            entry = after
        return taken

    def _put_back(self, reads: Sequence[int]) -> None:
        for entry in reversed(reads):
            self._unlift(entry)

    def _is_new(self, state: State) -> bool:
        """Note the calls that are done and the state; whether they had not been met before."""
        first = self._next[0]
        # All calls before the first one left are done.
        base = first - 1 if 0 < first <= self._count else self._count
        key = base, self._bits >> base, state
        memo = self._memo
        size = len(memo)
        memo.add(key)
        return len(memo) > size

    def _lift(self, entry: int) -> None:
        following, before = self._next, self._before
        left, right = before[entry], following[entry]
        following[left], before[right] = right, left
        if not self._calls[entry - 1].pending:
            end = self._count + entry
            left, right = before[end], following[end]
            following[left], before[right] = right, left
            self._open -= 1
        self._bits |= 1 << (entry - 1)

    def _unlift(self, entry: int) -> None:
        following, before = self._next, self._before
        if not self._calls[entry - 1].pending:
            end = self._count + entry
            following[before[end]] = before[following[end]] = end
            self._open += 1
        following[before[entry]] = before[following[entry]] = entry
        self._bits &= ~(1 << (entry - 1))


def _twins(calls: Sequence[Call]) -> list[int]:
    """For each pending call the last such one before it, of that actor, that asks for the same."""
    last: dict[Any, int] = {}
    twins = []
    for number, call in enumerate(calls):
        twin = -1
        if call.pending:
            key: Hashable = (call.actor, verb(call), _comparable(call.arguments))
            twin = last.get(key, -1)
            last[key] = number
        twins.append(twin)
    return twins


def _comparable(arguments: object) -> Hashable:
    try:
        return frozen(arguments)
    except TypeError:  # Something without a hash: equal to nothing but itself.
        return id(arguments)
