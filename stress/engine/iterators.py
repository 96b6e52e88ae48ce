"""Iterators and views: what they go through, since that is what others change under them."""

from __future__ import annotations

import gc
from collections import OrderedDict
from typing import Any

from stress.conflicts import CONTAINERS

_DICTIONARIES: tuple[dict[Any, Any], ...] = ({}, OrderedDict())
VIEWS: tuple[type, ...] = tuple(
    type(view) for made in _DICTIONARIES for view in (made.keys(), made.values(), made.items())
)
#: An iterator over an iterator, and so on, is followed so far.
_DEPTH = 4
#: What goes through other iterators.
_AROUND = (enumerate, zip, map, filter, reversed)


def goes_through(made: type) -> bool:
    """Whether its objects are views, or iterators of containers."""
    if made in VIEWS or issubclass(made, _AROUND):
        return True
    return made.__module__ in ("builtins", "collections", "_collections") and (
        made.__name__.endswith("iterator")
    )


def container_of(subject: Any) -> Any:
    """What a view or an iterator goes through; None where there is nothing, or nothing left. Of an
    iterator over several, all of them in a tuple."""
    found: dict[int, Any] = {}
    inside = [subject]
    for _ in range(_DEPTH):
        found.update((id(one), one) for one in inside if isinstance(one, CONTAINERS))
        # As the collector sees it: nothing of the program is called.
        inside = gc.get_referents(
            *(one for one in inside if type(one) is tuple or goes_through(type(one)))
        )
    if len(found) < 2:
        return next(iter(found.values()), None)
    return tuple(found.values())
