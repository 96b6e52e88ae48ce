"""Steps: what tasks did in one execution, one operation after another. Plain data."""

from __future__ import annotations

from typing import NamedTuple

from stress.conflicts import CONTAINERS, NAMED
from stress.site import Site
from stress.strategy import Pending

#: Kinds of operations that may be about one item.
_KEYED = frozenset({"read item", "write item", "delete item", "contains", "call"})
#: Of a class that is written in Python.
_HEAP_TYPE = 1 << 9


class Step(NamedTuple):
    """One operation that a task made.

    `subject` numbers the object that it was about, and `second` another one, as the lock that a
    wait frees; 0 where there is none. `waits` says that the operation is never made before it can
    be. `key` tells items of a container apart, and is empty where it is about all of it or where
    that is not known. `born` counts the tasks that there were, `joins` are those that must have
    been over. `daemon` says that nobody has to wait for the task. `through` is the call of a method
    of the standard library that takes a lock, where that is the object's own (see
    `stress.detect.library`); for `set_exception`, `key` says which.
    """

    task: int
    site: Site
    subject: int
    second: int
    waits: bool
    key: str
    born: int
    joins: tuple[int, ...]
    daemon: bool = False
    through: Site | None = None


#: What the class does by a function of its own; this is made for each step of each execution.
_NEW = tuple.__new__


def step_of(pending: Pending, born: int) -> Step:
    """The step that comes of a pending operation."""
    site, made = pending.site, pending.object
    second = 0 if pending.also is None else pending.second
    waits, key = pending.waits, ""
    joins: tuple[int, ...] = ()
    if site.function:
        subject = 0
        if site.kind in NAMED:
            subject, waits = pending.numbers.number(made), False
        else:
            if not is_in_python(type(made)):
                subject = pending.numbers.number(made)
            if pending.key is not None:
                key = told_key(site, pending.key)
    else:
        subject = pending.subject
        if site.kind == "join":
            joins = tuple(pending.joins)
    parts = pending.task, site, subject, second, waits, key, born, joins, pending.daemon, None
    return _NEW(Step, parts)


def is_in_python(made: type) -> bool:
    """Whether a class is written in Python; what its methods do is seen where they do it."""
    return bool(made.__flags__ & _HEAP_TYPE) and not issubclass(made, CONTAINERS)


def told_key(site: Site, key: object) -> str:
    """Which item an operation is about; empty where it is about no item, or where that is not
    sure."""
    return _told(key) if site.kind in _KEYED else ""


def _told(key: object) -> str:
    """A text that two keys share where they are equal; empty where that is not sure."""
    made = type(key)
    if made is str:
        return repr(key)
    if made is int:
        return str(key) if key >= 0 else ""  # type: ignore[operator]
    if made is tuple:
        parts = [_told(part) for part in key]  # type: ignore[attr-defined]
        return f"({', '.join(parts)})" if all(parts) else ""
    return ""
