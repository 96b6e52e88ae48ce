"""Weaker checks, for where linearizability is not promised: what each actor sees by itself.

They hold for what only grows (logs, sets, feeds) and is seen through reads of the whole. See
Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", PDIS 1994.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from stress.finding import FindingKind, Violation
from stress.oracles.history import Call
from stress.oracles.linearizability.model import verb


@dataclass(frozen=True, slots=True)
class View:
    """How to look at calls. `wrote(call)` is the item that it added, None where it added none;
    `saw(call)` what it read, in order, None where it is no read; `key(call)` what it is about.

    Items are told apart by equality, and written once. Calls that raised or are pending are not
    asked: nobody promised anything.
    """

    wrote: Callable[[Call], Hashable | None]
    saw: Callable[[Call], Sequence[Hashable] | None]
    key: Callable[[Call], Hashable] = lambda call: None


def read_your_writes(calls: Iterable[Call], view: View) -> Iterator[Violation]:
    """An actor reads what it was told before that it had written."""
    own: defaultdict[tuple[str, Hashable], list[Hashable]] = defaultdict(list)
    for call, item, seen in _looked_at(calls, view):
        mine = own[call.actor, view.key(call)]
        if item is not None:
            mine.append(item)
        if seen is not None and (missing := [one for one in mine if one not in set(seen)]):
            yield _violation(
                "read_your_writes", call, f"does not see {missing[0]!r}, which it had written"
            )


def monotonic_reads(calls: Iterable[Call], view: View) -> Iterator[Violation]:
    """An actor does not see less than it saw before."""
    before: dict[tuple[str, Hashable], Sequence[Hashable]] = {}
    for call, _, seen in _looked_at(calls, view):
        if seen is None:
            continue
        known = before.get((call.actor, view.key(call)), ())
        if missing := [one for one in known if one not in set(seen)]:
            yield _violation(
                "monotonic_reads", call, f"does not see {missing[0]!r}, which it had seen before"
            )
        before[call.actor, view.key(call)] = seen


def actor_order(calls: Iterable[Call], view: View) -> Iterator[Violation]:
    """Whoever reads sees the items of one actor in the order in which that actor wrote them."""
    place: dict[tuple[Hashable, Hashable], tuple[str, int]] = {}
    looked_at = list(_looked_at(calls, view))
    for number, (call, item, _) in enumerate(looked_at):
        if item is not None:
            place[view.key(call), item] = call.actor, number
    for call, _, seen in looked_at:
        last: dict[str, tuple[int, Hashable]] = {}
        for item in seen or ():
            writer, number = place.get((view.key(call), item), ("", -1))
            if writer and number < last.get(writer, (-1, None))[0]:
                after = last[writer][1]
                yield _violation(
                    "actor_order",
                    call,
                    f"sees {item!r} after {after!r}; {writer} wrote it before that",
                )
                break
            last[writer] = number, item


def _looked_at(
    calls: Iterable[Call], view: View
) -> Iterator[tuple[Call, Hashable | None, Sequence[Hashable] | None]]:
    """The answered calls in the order of each actor, with what they wrote and what they saw."""
    for call in sorted(calls, key=lambda call: (call.began_ns, call.step)):
        if not call.pending and not call.error:
            yield call, view.wrote(call), view.saw(call)


def _violation(oracle: str, call: Call, told: str) -> Violation:
    return Violation(
        FindingKind.INVARIANT,
        oracle,
        verb(call),
        f"{call.actor} {told} ({verb(call)}, its call {call.step})",
        {"actor": call.actor, "step": call.step},
    )
