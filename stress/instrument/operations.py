"""Which instructions touch an object that another task may see, and where that stands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from bytecode import BinaryOp, Instr

from stress.instrument.stack import Slot, name_of

#: Instruction -> kind, and where its object stands on the stack (1 is the top).
ON_OBJECTS = {
    "LOAD_ATTR": ("read", 1),
    "LOAD_METHOD": ("read", 1),
    "LOAD_SUPER_ATTR": ("read", 1),
    "STORE_ATTR": ("write", 1),
    "DELETE_ATTR": ("delete", 1),
    "MATCH_CLASS": ("read", 3),
    "BINARY_SUBSCR": ("read item", 2),
    "BINARY_SLICE": ("read item", 3),
    "MATCH_KEYS": ("read item", 2),
    "STORE_SUBSCR": ("write item", 2),
    "STORE_SLICE": ("write item", 3),
    "DELETE_SUBSCR": ("delete item", 2),
    "CONTAINS_OP": ("contains", 1),
    "GET_ITER": ("iterate", 1),
    "GET_YIELD_FROM_ITER": ("iterate", 1),
    "FOR_ITER": ("iterate", 1),
    "UNPACK_SEQUENCE": ("iterate", 1),
    "UNPACK_EX": ("iterate", 1),
    "GET_LEN": ("iterate", 1),
    "LIST_EXTEND": ("iterate", 1),
    "SET_UPDATE": ("iterate", 1),
    "DICT_UPDATE": ("iterate", 1),
    "DICT_MERGE": ("iterate", 1),
    "BEFORE_WITH": ("enter", 1),
}
#: Where the key stands, of instructions that are about one item.
KEYS = {"BINARY_SUBSCR": 1, "STORE_SUBSCR": 1, "DELETE_SUBSCR": 1, "CONTAINS_OP": 2}
ON_GLOBALS = {"LOAD_GLOBAL": "read", "STORE_GLOBAL": "write", "DELETE_GLOBAL": "delete"}
ON_CELLS = {
    "LOAD_DEREF": "read",
    "LOAD_CLASSDEREF": "read",
    "LOAD_FROM_DICT_OR_DEREF": "read",
    "STORE_DEREF": "write",
    "DELETE_DEREF": "delete",
}
#: Their argument is the name of the attribute.
_NAMED = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR"})
_LOADS = frozenset(
    {
        "LOAD_ATTR", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST", "LOAD_DEREF",
        "LOAD_GLOBAL", "LOAD_NAME", "STORE_FAST_LOAD_FAST", "BINARY_SUBSCR",
    }
)  # fmt: skip
_PASSIVE = (int, float, complex, str, bytes)


def attributes(items: Sequence[Any], index: int) -> tuple[str, ...]:
    """Names of the attributes that an instruction touches; an empty one where it has no name."""
    item = items[index]
    if item.name == "MATCH_CLASS":
        by_position = ("",) if item.arg else ()
        return by_position + tuple(_constant(items, index - 1) or ())
    return (name_of(item.arg),) if item.name in _NAMED else ("",)


def is_of_constant(items: Sequence[Any], index: int) -> bool:
    """Is it a constant that is iterated or unpacked, as in the display of a list?"""
    return ON_OBJECTS[items[index].name] == ("iterate", 1) and _is_constant(items, index - 1)


def tested_load(items: Sequence[Any], index: int) -> Instr | None:
    """What loads the variable, attribute or item that an instruction tests, if it does.

    A container is empty or not: that is read here.
    """
    name = items[index].name
    if name not in ("TO_BOOL", "UNARY_NOT") and not ("JUMP_" in name and "IF_" in name):
        return None
    if name.endswith("NONE"):
        return None
    before = _instruction(items, index - 1)
    if before is not None and before.name == "COPY" and before.arg == 1:
        before = _instruction(items, index - 2)
    return before if before is not None and before.name in _LOADS else None


def compared(stack: Sequence[Slot]) -> list[int]:
    """Where on the stack variables, attributes and items stand that an instruction compares."""
    return [depth for depth in (1, 2) if depth <= len(stack) and stack[-depth].made_by in _LOADS]


def changes_in_place(items: Sequence[Any], index: int) -> bool:
    """Is it `+=` or the like, by what may be more than a number or a string?"""
    item = items[index]
    if item.name != "BINARY_OP" or not BinaryOp(item.arg).name.startswith("INPLACE_"):
        return False
    return not isinstance(_constant(items, index - 1), _PASSIVE)


def expression_location(items: Sequence[Any], index: int) -> Any:
    """Where in the source the expression is that an instruction enters or iterates."""
    location = items[index].location
    if sys.version_info < (3, 13):
        # There the instruction itself is at the whole statement or comprehension.
        before = next((i for i in reversed(items[:index]) if isinstance(i, Instr)), None)
        location = before.location if before and before.location else location
    return location


def _instruction(items: Sequence[Any], index: int) -> Instr | None:
    """The instruction there; None for what is none, as a label is."""
    item = items[index] if index >= 0 else None
    return item if isinstance(item, Instr) else None


def _is_constant(items: Sequence[Any], index: int) -> bool:
    item = _instruction(items, index)
    return item is not None and item.name == "LOAD_CONST"


def _constant(items: Sequence[Any], index: int) -> Any:
    return items[index].arg if _is_constant(items, index) else None
