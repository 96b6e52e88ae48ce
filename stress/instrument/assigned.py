"""Which globals and attributes a function assigns. Read from the raw code of every function."""

from __future__ import annotations

import opcode
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from types import CodeType

_ON_GLOBALS = frozenset({opcode.opmap["STORE_GLOBAL"], opcode.opmap["DELETE_GLOBAL"]})
_ON_ATTRIBUTES = frozenset({opcode.opmap["STORE_ATTR"], opcode.opmap["DELETE_ATTR"]})
_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """The functions written inside it, at every depth, without itself."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from nested_codes(const)


def is_module(code: CodeType) -> bool:
    """Is it the body of a module? It runs once, before anyone else sees its names."""
    return code.co_name == "<module>" and not code.co_flags & CO_OPTIMIZED


def assigned_globals(code: CodeType) -> frozenset[str]:
    """Names of the globals that this code assigns or deletes, without the functions inside it.

    The body of a module assigns none: what it does is not done again.
    """
    return _assigned(code, _ON_GLOBALS)


def assigned_attributes(code: CodeType) -> frozenset[str]:
    """Names of the attributes that this code assigns or deletes, whatever has them; as above."""
    return _assigned(code, _ON_ATTRIBUTES)


def _assigned(code: CodeType, stores: frozenset[int]) -> frozenset[str]:
    if is_module(code):
        return frozenset()
    raw = code.co_code
    if stores.isdisjoint(raw[::2]):
        return frozenset()
    names: set[str] = set()
    extended = 0
    for operation, argument in zip(raw[::2], raw[1::2], strict=True):
        if operation in stores:
            names.add(code.co_names[extended | argument])
        extended = (extended | argument) << 8 if operation == _EXTENDED_ARG else 0
    return frozenset(names)
