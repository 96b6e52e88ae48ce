"""Which operations conflict: on the same place, and not both only look at it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from stress.strategy import Pending

#: Kinds of operations that change nothing.
LOOKS = frozenset({
    "read", "read item", "contains", "compare", "is set", "is alive", "locked", "size", "begin",
    "join",
})  # fmt: skip
#: Kinds on a place that has a name; the others are on the object as a whole.
NAMED = frozenset({"read", "write", "delete"})
#: Kinds that only look at the second thing that they are about.
_LOOKING_AT_SECOND = frozenset({"call", "iterate"})
#: Their state is in C: their methods, and builtins that are given one, are accesses to them.
CONTAINERS = (list, dict, set, deque, bytearray)
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
    name = site.name if site.kind in NAMED else ""
    looks = only_looks(site.kind, site.name)
    if site.kind == "iterate" and isinstance(pending.object, CONTAINERS):
        looks = True  # What changes is the iterator.
    return Effect(pending.subject, name, looks)


def effects_of(pending: Pending) -> tuple[Effect, ...]:
    """All that a pending operation is about to touch: a wait at a condition also frees its lock,
    and what a method is given it looks at."""
    if pending.waits and pending.site.kind == "wait" and pending.site.name == "Event":
        return ()  # It was set, and whoever waited for that goes on.
    first = effect_of(pending)
    if pending.also is not None:
        looks = pending.site.kind in _LOOKING_AT_SECOND
        return (first, *(Effect(other, "", looks) for other in pending.others))
    return (first,) if first.subject else ()


def conflict(one: Effect, other: Effect) -> bool:
    """Whether it matters which of the two comes first."""
    if one.subject != other.subject or not one.subject or (one.only_looks and other.only_looks):
        return False
    return not one.name or not other.name or one.name == other.name
