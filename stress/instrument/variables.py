"""Which globals and closure variables are shared: those that some function assigns.

What is only ever assigned once, before anyone else can see it, needs no hook.
"""

from __future__ import annotations

import sys

from bytecode import Instr, Label

from stress.instrument.body import Body
from stress.instrument.stack import name_of

_STORES = frozenset({"STORE_DEREF", "DELETE_DEREF"})
_CAPTURES = frozenset(
    {"LOAD_CLOSURE"} if sys.version_info < (3, 13) else {"LOAD_FAST", "LOAD_FAST_LOAD_FAST"}
)


def shared_cells(body: Body) -> frozenset[str]:
    """Of the variables of this function that functions inside it use: those that need hooks."""
    return frozenset(name for name in body.code.co_cellvars if _is_shared(body, name))


def _is_shared(body: Body, name: str) -> bool:
    inside = [inner for inner in body.nested.values() if name in inner.code.co_freevars]
    if not any(_is_captured(inner, name) for inner in inside):
        return False
    if any(_is_stored(inner, name) for inner in inside):
        return True
    stores = [i for i, item in enumerate(body.items) if _names(item, _STORES, name)]
    arguments = body.code.co_varnames[: body.argument_count]
    if len(stores) + (name in arguments) <= 1:
        return bool(stores) and not _is_before_captures(body, stores[0], name)
    return True


def _is_captured(inner: Body, name: str) -> bool:
    """Does a function see it that can run at another time than the one that made it?"""
    if not inner.is_comprehension or inner.error is not None:
        return True
    return any(
        _is_captured(innermost, name)
        for innermost in inner.nested.values()
        if name in innermost.code.co_freevars
    )


def _is_stored(inner: Body, name: str) -> bool:
    if inner.error is not None:
        return True
    return any(_names(item, _STORES, name) for item in inner.items) or any(
        _is_stored(innermost, name)
        for innermost in inner.nested.values()
        if name in innermost.code.co_freevars
    )


def _is_before_captures(body: Body, store: int, name: str) -> bool:
    """Is the variable assigned once per call, and before any function took its cell?"""
    labels = {item: index for index, item in enumerate(body.items) if isinstance(item, Label)}
    for index, item in enumerate(body.items):
        if index < store and _names(item, _CAPTURES, name):
            return False
        if not isinstance(item, Instr) or not item.has_jump() or index < store:
            continue
        assert isinstance(item.arg, Label)
        if labels[item.arg] <= store:
            return False
    return True


def _names(item: object, instructions: frozenset[str], name: str) -> bool:
    if not isinstance(item, Instr) or item.name not in instructions:
        return False
    if isinstance(item.arg, tuple):
        return name in map(name_of, item.arg)
    return name_of(item.arg) == name
