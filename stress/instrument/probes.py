"""The instructions that call a hook, and before which instructions of a function they stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from bytecode import Instr
from bytecode.instr import CellVar, FreeVar

from stress.instrument.template import MARK

ACCESS, CALL, GLOBALS = (MARK, "access"), (MARK, "call"), (MARK, "globals")

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
ON_GLOBALS = {"LOAD_GLOBAL": "read", "STORE_GLOBAL": "write", "DELETE_GLOBAL": "delete"}
ON_CELLS = {
    "LOAD_DEREF": "read",
    "LOAD_CLASSDEREF": "read",
    "LOAD_FROM_DICT_OR_DEREF": "read",
    "STORE_DEREF": "write",
    "DELETE_DEREF": "delete",
}
#: Their argument is the name of the attribute.
NAMED = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR"})
#: How much deeper the stack gets at most: the hook, NULL, the site, and two objects.
DEEPER = 5


def on_slot(depth: int) -> Any:
    """Loads what stands at that depth before the instruction."""
    # NULL, the hook and the site stand above it by then.
    return ("COPY", depth + 3)


def on_cell(argument: Any, local_names: tuple[str, ...]) -> Any:
    """Loads the cell itself of a variable."""
    if sys.version_info < (3, 13):
        return ("LOAD_CLOSURE", argument)
    name = argument if isinstance(argument, str) else argument.name
    if name in local_names:
        return ("LOAD_FAST", name)
    return ("LOAD_FAST", (FreeVar if isinstance(argument, FreeVar) else CellVar)(name))


def probe(hook: Any, place: int, subjects: list[Any], location: Any) -> Iterator[Instr]:
    """Calls `hook` with the site and what `subjects` load, and drops what it returns."""
    callee = [("LOAD_CONST", hook), ("PUSH_NULL",)]
    if sys.version_info < (3, 13):
        callee.reverse()
    count = 1 + len(subjects)
    call = [("PRECALL", count)] if sys.version_info < (3, 12) else []
    site = ("LOAD_CONST", (MARK, "site", place))
    for instruction in (*callee, site, *subjects, *call, ("CALL", count), ("POP_TOP",)):
        yield Instr(*instruction, location=location)
