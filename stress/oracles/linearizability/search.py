"""The search for a linearization of one history, with a memo of what was tried.

J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", JPDC 17 (1993); the memo is of
G. Lowe, "Testing for linearizability", CCPE 29 (2017). Ours differs in two ways: reads are done as
soon as they fit; and pending calls are done in order of how many, so that a memo entry with some of
them stands for all with more.
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


class _Node:
    """Something done, entry 0 at the root, with the reads that fitted then; and what was before."""

    __slots__ = ("before", "entry", "reads")

    def __init__(self, before: _Node | None, entry: int, reads: Sequence[int]) -> None:
        self.before, self.entry, self.reads = before, entry, reads

    def path(self) -> list[_Node]:
        """What was done, without the root."""
        nodes, node = [], self
        while node.before is not None:
            nodes.append(node)
            node = node.before
        return nodes[::-1]


class _Searcher(Generic[State]):
    """Entries of calls and returns in a linked list, in the order of time: call i is entry i + 1,
    its return entry n + 1 + i, and the list begins and ends at 0. A pending call has no return.

    `_bits` are the answered calls that are done, `_taken` the pending ones; each kind is numbered
    by itself, in `_bit`. `_waiting` is where one more pending call is still to be tried.
    """

    def __init__(self, calls: Sequence[Call], model: Model[State], limits: Limits) -> None:
        self._calls, self._model, self._limits = calls, model, limits
        self._count = len(calls)
        self._is_read = [verb(call) in model.reads for call in calls]
        self._is_late = [call.pending for call in calls]
        # What a read without an answer saw is no matter: it is left out.
        idle = [late and read for late, read in zip(self._is_late, self._is_read, strict=True)]
        self._link(idle)
        self._open = self._is_late.count(False)
        self._has_late = self._is_late.count(True) > idle.count(True)
        self._bit = []
        seen = [0, 0]
        for late in self._is_late:
            self._bit.append(1 << seen[late])
            seen[late] += 1
        self._twin = _twins(calls)
        self._bits = self._taken = self._states = self._entries = 0
        self._memo: dict[tuple[int, int, State], tuple[int, ...]] = {}
        self._waiting: list[tuple[_Node, State]] = []
        self._first = self._take_reads(model.initial)
        self._at = _Node(None, 0, ())
        self._furthest: tuple[float, int] = (float("-inf"), 0)

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
        """Without any pending call first, then with one of them, and so on: few have to be done."""
        state = self._model.initial
        verdict = self._descend(self._at, state)
        while verdict is Verdict.VIOLATED and self._waiting:
            level, self._waiting = self._waiting, []
            while level and verdict is Verdict.VIOLATED:
                # What is furthest comes first.
                verdict = self._with_one_more(*level.pop())
        order: tuple[int, ...] = ()
        if verdict is Verdict.HOLDS:
            done = [e for node in self._at.path() for e in (node.entry, *node.reads)]
            order = tuple(entry - 1 for entry in [*self._first, *done])
        return Search(
            verdict,
            order,
            self._states,
            self._entries,
            self._bound() if verdict is Verdict.UNKNOWN else "",
            self._furthest[1] - self._count - 1 if verdict is Verdict.VIOLATED else -1,
        )

    def _with_one_more(self, node: _Node, state: State) -> Verdict:
        """Go back to where `node` was just done, and do each of the pending calls there."""
        self._go_to(node)
        following = self._next
        entry = following[0]
        while 0 < entry <= self._count:
            for after in self._options(entry, state, late=True):
                self._lift(entry)
                reads = self._take_reads(after)
                if self._is_new(after):
                    verdict = self._descend(_Node(node, entry, reads), after)
                    if verdict is not Verdict.VIOLATED:
                        return verdict
                self._put_back(reads)
                self._unlift(entry)
            entry = following[entry]
        self._at = node
        return Verdict.VIOLATED

    def _descend(self, node: _Node, state: State) -> Verdict:
        """Depth first through the answered calls; VIOLATED, and all as it was, where none is left.

        A frame is where we were, and what else could have been done there.
        """
        following, count, limits = self._next, self._count, self._limits
        frames: list[tuple[_Node, State, Iterator[State]]] = []
        if self._has_late:
            self._waiting.append((node, state))
        entry = following[0]
        options = self._options(entry, state)
        while self._open:
            if self._states > limits.states or self._entries >= limits.memo:
                return Verdict.UNKNOWN
            if 0 < entry <= count:
                after = next(options, None)
                if after is None:
                    entry = following[entry]
                    options = self._options(entry, state)
                    continue
                self._lift(entry)
                reads = self._take_reads(after)
                if self._is_new(after):
                    frames.append((node, state, options))
                    node, state = _Node(node, entry, reads), after
                    if self._has_late:
                        self._waiting.append((node, state))
                    entry = following[0]
                    options = self._options(entry, state)
                else:
                    self._put_back(reads)
                    self._unlift(entry)
                continue
            # A call returned that nothing could be done about: what was done last was wrong.
            self._furthest = max(self._furthest, (self._calls[entry - count - 1].ended_ns, entry))
            if not frames:
                return Verdict.VIOLATED
            self._put_back(node.reads)
            self._unlift(node.entry)
            entry = node.entry
            node, state, options = frames.pop()
        self._at = node
        return Verdict.HOLDS

    def _go_to(self, node: _Node) -> None:
        """Undo and do what is different between where we are and `node`."""
        here, there = self._at.path(), node.path()
        same = 0
        while same < min(len(here), len(there)) and here[same] is there[same]:
            same += 1
        for one in reversed(here[same:]):
            self._put_back(one.reads)
            self._unlift(one.entry)
        for one in there[same:]:
            for entry in (one.entry, *one.reads):
                self._lift(entry)
        self._at = node

    def _bound(self) -> str:
        limits = self._limits
        if self._states > limits.states:
            return f"the limit of {limits.states:,} states was reached"
        return f"the memo's limit of {limits.memo:,} entries was reached"

    def _options(self, entry: int, state: State, late: bool = False) -> Iterator[State]:
        """The states that the call of an entry can lead to, if it is the turn of its kind."""
        number = entry - 1
        if not 0 < entry <= self._count or self._is_read[number] or self._is_late[number] != late:
            return iter(())
        twin = self._twin[number]
        if twin >= 0 and not self._taken & self._bit[twin]:
            # An earlier call that is as good: whatever this one explains, that one does.
            return iter(())
        self._states += 1
        return iter(self._model.step(state, self._calls[number]))

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
        """Note what is done and the state; whether nothing as good had been met before.

        As good is the same with fewer of the pending calls: they can all be done later.
        """
        bits, taken = self._bits, self._taken
        # All answered calls before the first zero are done.
        base = (~bits & (bits + 1)).bit_length() - 1
        key = base, bits >> base, state
        met = self._memo.get(key, ())
        if any(not mask & ~taken for mask in met):
            return False
        left = [mask for mask in met if taken & ~mask]
        self._memo[key] = (*left, taken)
        self._entries += 1 + len(left) - len(met)
        return True

    def _lift(self, entry: int) -> None:
        following, before = self._next, self._before
        left, right = before[entry], following[entry]
        following[left], before[right] = right, left
        if self._is_late[entry - 1]:
            self._taken |= self._bit[entry - 1]
            return
        end = self._count + entry
        left, right = before[end], following[end]
        following[left], before[right] = right, left
        self._open -= 1
        self._bits |= self._bit[entry - 1]

    def _unlift(self, entry: int) -> None:
        following, before = self._next, self._before
        if self._is_late[entry - 1]:
            self._taken &= ~self._bit[entry - 1]
        else:
            end = self._count + entry
            following[before[end]] = before[following[end]] = end
            self._open += 1
            self._bits &= ~self._bit[entry - 1]
        following[before[entry]] = before[following[entry]] = entry


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
