"""The instructions that call a hook, and before which instructions of a function they stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from bytecode import Instr
from bytecode.instr import CellVar, FreeVar

from stress.instrument.template import MARK

ACCESS, CALL, GLOBALS = (MARK, "access"), (MARK, "call"), (MARK, "globals")

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
