"""Is a history linearizable? Three answers, each with its evidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stress.errors import NotLinearizable
from stress.finding import FindingKind, Verdict, Violation
from stress.oracles.history import Call, overlaps
from stress.oracles.linearizability.counterexample import Counterexample, smallest
from stress.oracles.linearizability.drawing import draw
from stress.oracles.linearizability.model import Model, State, verb
from stress.oracles.linearizability.search import Limits, Search, search, with_open_ends


@dataclass(frozen=True, slots=True)
class Linearization:
    """An order of the calls of one key that the model allows. The key is None where there is but
    one partition. Pending calls that need not have taken effect are not in it.
    """

    key: Hashable
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found.

    `linearizations` has one for each key that was found to be right; `states` says how often the
    model was asked, `memo` how many entries the largest memo had. `limited` says that a limit was
    reached.
    """

    verdict: Verdict
    reason: str
    linearizations: tuple[Linearization, ...] = ()
    counterexample: Counterexample | None = None
    states: int = 0
    memo: int = 0
    limited: bool = False

    @property
    def drawing(self) -> str:
        """The counterexample as text, empty where there is none."""
        return draw(self.counterexample) if self.counterexample else ""


def check(calls: Iterable[Call], model: Model[State], limits: Limits | None = None) -> Result:
    """Whether some order of the calls, that real time allows, is one that the model allows.

    HOLDS with a linearization for each key; VIOLATED with a counterexample. UNKNOWN where a limit
    was reached, and where the history is empty or no two calls of different actors overlap: that
    says nothing about threads. Keys are judged one by one (Herlihy and Wing 1990: a history is
    linearizable exactly where it is for each object). Raises InvalidArgument for a call that the
    model does not know, or that ended before it began.
    """
    history = list(calls)
    left = limits or Limits()
    found: list[Linearization] = []
    states = memo = 0
    bounds: list[str] = []
    for key, part in partitions(history, model):
        seen = with_open_ends(part, model)
        one = search(seen, model, Limits(max(left.states - states, 0), left.memo))
        states, memo = states + one.states, max(memo, one.memo)
        if one.verdict is Verdict.VIOLATED:
            example = smallest(part, model, key, left)
            return Result(Verdict.VIOLATED, example.reason, (), example, states, memo)
        if one.verdict is Verdict.UNKNOWN:
            bounds.append(one.bound + (f" at key {key!r}" if key is not None else ""))
        else:
            found.append(Linearization(key, _in_order(part, one)))
    verdict, reason = conclude(history, bounds, model.name)
    return Result(verdict, reason, tuple(found), None, states, memo, bool(bounds))


def _in_order(part: Sequence[Call], one: Search) -> tuple[Call, ...]:
    by_time = sorted(part, key=lambda call: call.began_ns)
    return tuple(by_time[position] for position in one.order)


def conclude(history: Sequence[Call], bounds: Sequence[str], name: str) -> tuple[Verdict, str]:
    """The verdict on a history of which no part is violated; `bounds` tell where limits were."""
    if bounds:
        more = f", and of {len(bounds) - 1} more keys" if len(bounds) > 1 else ""
        return Verdict.UNKNOWN, bounds[0] + more
    if not history:
        return Verdict.UNKNOWN, "the history is empty"
    if not overlaps(history):
        return Verdict.UNKNOWN, "no two calls of different actors overlap: nothing was concurrent"
    return Verdict.HOLDS, f"{len(history):,} calls are linearizable as a {name}"


def partitions(
    history: Sequence[Call], model: Model[State]
) -> Iterator[tuple[Hashable, Sequence[Call]]]:
    """The calls of each key; all under None where a call touches more than one, or none is told."""
    key_of = model.partition
    if key_of is None:
        yield None, history
        return
    parts: dict[Any, list[Call]] = {}
    for call in history:
        key = key_of(call)
        if key is None:
            yield None, history
            return
        parts.setdefault(key, []).append(call)
    # The small ones first: a large one may use up the limit.
    yield from sorted(parts.items(), key=lambda item: len(item[1]))


def check_linearizable(
    calls: Iterable[Call], model: Model[State], limits: Limits | None = None
) -> Iterator[Violation]:
    """The oracle: a violation where the history is not linearizable; silent where it is unknown."""
    result = check(calls, model, limits)
    if result.counterexample is not None:
        yield violation(model.name, result.counterexample)


def violation(name: str, example: Counterexample) -> Violation:
    """A counterexample as a violation. Its place is the model and the operation that fits nowhere:
    the same for every sighting of a defect.
    """
    return Violation(
        FindingKind.NOT_LINEARIZABLE,
        "linearizable",
        f"{name}: {verb(example.misfit)}",
        example.reason,
        {
            "actor": example.misfit.actor,
            "step": example.misfit.step,
            "drawing": draw(example),
        },
    )


def assert_linearizable(
    calls: Iterable[Call], model: Model[State], limits: Limits | None = None
) -> Result:
    """The result of `check`. Raises NotLinearizable, with the drawing, where it is VIOLATED;
    whether it is UNKNOWN is for the caller to ask.
    """
    result = check(calls, model, limits)
    if result.verdict is Verdict.VIOLATED:
        raise NotLinearizable(result.drawing)
    return result
