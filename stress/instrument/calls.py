"""Where the callable of a call stands on the stack, and its first argument."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from bytecode import Instr

from stress.instrument.probes import on_slot
from stress.instrument.stack import NULL, Slot

_NULL_FIRST = sys.version_info < (3, 13)
#: Made by these, the callee is no shared object: what it does is seen where it does it.
_UNSEEN = frozenset(
    {
        "MAKE_FUNCTION",
        "SET_FUNCTION_ATTRIBUTE",
        "LOAD_BUILD_CLASS",
        "LOAD_ASSERTION_ERROR",
        "LOAD_CONST",
        "BEFORE_WITH",
        "BEFORE_ASYNC_WITH",
    }
)


class Call(NamedTuple):
    """What a hook gets of a call."""

    name: str
    #: Instructions that load the callable, and the first positional argument or None.
    subjects: list[Any]


def first_of_call(items: Sequence[Any], index: int) -> int:
    """Index of the first instruction of a call: those before it only prepare it."""
    while index and isinstance(items[index - 1], Instr):
        if items[index - 1].name not in ("PRECALL", "KW_NAMES"):
            break
        index -= 1
    return index


def exit_slot(items: Sequence[Any], index: int, stack: Sequence[Slot]) -> Slot | None:
    """The slot of the exit callable, if the instruction leaves a `with`."""
    item = items[index]
    if len(stack) < 4 or stack[-4].made_by != "BEFORE_WITH":
        return None
    if item.name == "WITH_EXCEPT_START" or (item.name == "CALL" and item.arg == 2):
        return stack[-4]
    return None


def call_subjects(items: Sequence[Any], index: int, stack: Sequence[Slot]) -> Call | None:
    """What a hook gets of the call; None where the call needs no hook, or its form is not known."""
    item = items[index]
    if item.name == "CALL_FUNCTION_EX":
        # The callable, the arguments, and the keyword arguments where there are any.
        depth = (2 if _NULL_FIRST else 3) + (item.arg & 1)
        return _made(stack, depth, None)
    if item.name == "CALL":
        before = items[first_of_call(items, index)]
        keywords = len(before.arg) if before.name == "KW_NAMES" else 0
        above = 0
    elif item.name == "CALL_KW":
        keywords, above = len(items[index - 1].arg), 1
    else:
        return None
    count = item.arg
    outer, inner = above + count + 2, above + count + 1
    if len(stack) < outer:
        return None
    null, callee = (outer, inner) if _NULL_FIRST else (inner, outer)
    if stack[-null] is NULL:
        return _made(stack, callee, above + count if count > keywords else None)
    # The compiler calls decorators as if they were methods of what they decorate.
    return _made(stack, outer, inner)


def _made(stack: Sequence[Slot], callee: int, argument: int | None) -> Call | None:
    if len(stack) < callee:
        return None
    slots = [stack[-callee]] if argument is None else [stack[-callee], stack[-argument]]
    if slots[0].made_by == "LOAD_GLOBAL" and slots[0].name == "super":
        # Later Pythons have an instruction for it.
        return None
    if any(slot is NULL or slot.is_half_method for slot in slots) or slots[0].made_by in _UNSEEN:
        return None
    if argument is None:
        second: Any = ("LOAD_CONST", None)
    else:
        # One more than for the callable: that stands above it too by then.
        second = on_slot(argument + 1)
    return Call(slots[0].name, [on_slot(callee), second])
