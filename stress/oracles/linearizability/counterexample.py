"""A small counterexample: the shortest beginning that is not linearizable, what matters there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stress.finding import Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability.model import Model, State, error_type, values, verb
from stress.oracles.linearizability.search import Limits, search, with_open_ends, without_answer

#: So often the model may be asked while a counterexample is made smaller: in all, and in one try.
MAX_STATES, MAX_STATES_A_TRY = 60_000, 4_000


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Why a history is not linearizable.

    Until `misfit` returned, the calls of this key were linearizable: `linearization` is such an
    order of those that had begun. With its answer there is none. `calls` are those that matter, by
    time, `misfit` among them. The `omitted` others have no part in it: there would be no order
    either if any of these had answered anything, or had taken effect later or never. Where a limit
    was reached on the way, `shortest` is false: an earlier call may be one that fits nowhere.
    """

    model: str
    key: Hashable
    misfit: Call
    calls: tuple[Call, ...]
    linearization: tuple[Call, ...]
    omitted: int = 0
    shortest: bool = True

    @property
    def reason(self) -> str:
        """What is wrong, in one line."""
        where = f" at key {self.key!r}" if self.key is not None else ""
        return (
            f"not linearizable as a {self.model}{where}: no order of the calls explains that "
            f"{said(self.misfit)}"
        )


def said(call: Call) -> str:
    """A call with its arguments, its actor and its answer."""
    if call.pending:
        return f"{invocation(call)} of {call.actor} did not return"
    did = f"raised {error_type(call)}" if call.error else f"returned {call.result!r}"
    return f"{invocation(call)} of {call.actor} {did}"


def invocation(call: Call) -> str:
    """A call with its arguments."""
    return f"{verb(call)}({', '.join(repr(value) for value in call.arguments.values())})"


def smallest(
    part: Sequence[Call], model: Model[State], key: Hashable, limits: Limits
) -> Counterexample:
    """The counterexample of a partition that is known not to be linearizable."""
    original = sorted(part, key=lambda call: call.began_ns)
    seen, last, shortest = _shortest(with_open_ends(original, model), model, limits)
    before = [*seen[:last], without_answer(seen[last]), *seen[last + 1 :]]
    order = search(before, model, limits).order
    kept = _what_matters(seen, last, model)
    return Counterexample(
        model=model.name,
        key=key,
        misfit=original[last],
        calls=tuple(original[number] for number in kept),
        linearization=tuple(
            replace(original[number], pending=before[number].pending) for number in order
        ),
        omitted=len(original) - len(kept),
        shortest=shortest,
    )


def _shortest(
    seen: Sequence[Call], model: Model[Any], limits: Limits
) -> tuple[list[Call], int, bool]:
    """The shortest beginning that is not linearizable, and the position of the call whose return
    ends it. Whatever is longer is not linearizable, either.
    """
    found = search(seen, model, limits)
    if found.stuck >= 0:
        return _until(seen, seen[found.stuck].ended_ns), found.stuck, True
    by_end = sorted(
        (number for number, call in enumerate(seen) if not call.pending),
        key=lambda number: seen[number].ended_ns,
    )
    low, high = 0, len(by_end) - 1
    sure = True
    while low < high:
        middle = (low + high) // 2
        found = search(_until(seen, seen[by_end[middle]].ended_ns), model, limits)
        sure = sure and found.verdict is not Verdict.UNKNOWN
        if found.verdict is Verdict.VIOLATED:
            high = middle
        else:
            low = middle + 1
    return _until(seen, seen[by_end[high]].ended_ns), by_end[high], sure


def _until(seen: Sequence[Call], moment: int) -> list[Call]:
    """What was known at a moment: who had not returned might yet answer anything."""
    return [
        without_answer(call) if call.ended_ns > moment else call
        for call in seen
        if call.began_ns <= moment
    ]


def _what_matters(seen: Sequence[Call], misfit: int, model: Model[Any]) -> list[int]:
    """The positions of the calls that explain the misfit, or are at odds with it.

    A call has no part in it when there is no linearization even if its answer and its end are
    forgotten: to forget them rules no order out. A read of which nothing is known is left out.
    """
    left: list[Call | None] = list(seen)
    spent = 0

    def forget(group: Iterable[int]) -> bool:
        nonlocal left, spent
        tried = list(left)
        for number in group:
            call = seen[number]
            tried[number] = None if verb(call) in model.reads else without_answer(call)
        calls = [call for call in tried if call is not None]
        found = search(calls, model, Limits(MAX_STATES_A_TRY, MAX_STATES_A_TRY))
        spent += max(found.states, len(calls))
        if found.verdict is Verdict.VIOLATED:
            left = tried
        return found.verdict is Verdict.VIOLATED

    answered = {n for n, call in enumerate(seen) if not call.pending and n != misfit}
    # A few are enough most of the time; in a long history it would take long to come down to them.
    for kept in _likely(seen, misfit, answered):
        if forget(answered - kept):
            answered = kept
            break
    reads = {number for number in answered if verb(seen[number]) in model.reads}
    # The reads first: they are cheap to leave out, where the others may yet take effect.
    waiting = [group for group in (sorted(answered - reads), sorted(reads)) if group]
    while waiting and spent < MAX_STATES:
        # Many at once, and where that is too much, each half of them.
        group = waiting.pop()
        if not forget(group) and len(group) > 1:
            half = len(group) // 2
            waiting += [group[:half], group[half:]]
    return [number for number, call in enumerate(left) if call is not None and not call.pending]


def _likely(seen: Sequence[Call], misfit: int, answered: set[int]) -> Iterator[set[int]]:
    """What may be enough: calls that name what the misfit answered, and the last ones before it."""
    answer = seen[misfit].result
    related = {n for n in answered if answer is not None and answer in values(seen[n])}
    began = seen[misfit].began_ns
    before = sorted(
        (n for n in answered if seen[n].ended_ns < began), key=lambda n: -seen[n].ended_ns
    )
    for many in (0, 4, 16):
        if len(kept := related.union(before[:many])) < len(answered):
            yield kept
