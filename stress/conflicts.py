"""Which operations conflict: on the same place, and not both only look at it."""

from __future__ import annotations

from typing import NamedTuple

from stress.strategy import Pending

#: Kinds of operations that change nothing.
LOOKS = frozenset({
    "read", "read item", "contains", "compare", "is set", "is alive", "locked", "size", "begin",
    "join",
})  # fmt: skip
#: Kinds on a place that has a name; the others are on the object as a whole.
_NAMED = frozenset({"read", "write", "delete"})
#: Methods of containers that change nothing.
_LOOKING = frozenset({
    "copy", "count", "endswith", "get", "index", "isdisjoint", "issubset", "issuperset", "items",
    "keys", "len", "max", "min", "repr", "sorted", "startswith", "str", "sum", "values", "list",
    "tuple", "set", "dict", "frozenset", "bool", "any", "all", "enumerate", "iter",
    "reversed", "zip",
})  # fmt: skip


class Effect(NamedTuple):
    """What an operation touches: object by number (0: none that others know), name, and how."""

    subject: int
    name: str
    only_looks: bool


def only_looks(kind: str, name: str) -> bool:
    """Whether an operation changes nothing of what it touches."""
    return kind in LOOKS or (kind == "call" and name in _LOOKING)


def effect_of(pending: Pending) -> Effect:
    """What a pending operation is about to touch."""
    site = pending.site
    name = site.name if site.kind in _NAMED else ""
    return Effect(pending.subject, name, only_looks(site.kind, site.name))


def effects_of(pending: Pending) -> tuple[Effect, ...]:
    """All that a pending operation is about to touch: a wait at a condition also frees its lock,
    and what a method is given it looks at."""
    if pending.waits and pending.site.kind == "wait" and pending.site.name == "Event":
        return ()  # It was set, and whoever waited for that goes on.
    first = effect_of(pending)
    second = pending.second
    if second:
        return first, Effect(second, "", pending.site.kind == "call")
    return (first,) if first.subject else ()


def conflict(one: Effect, other: Effect) -> bool:
    """Whether it matters which of the two comes first."""
    if one.subject != other.subject or not one.subject or (one.only_looks and other.only_looks):
        return False
    return not one.name or not other.name or one.name == other.name
