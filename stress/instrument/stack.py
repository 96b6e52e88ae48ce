"""What stands on the stack of the interpreter before each call, comparison and exit of a `with`.

A slot that may hold NULL must not be copied: that crashes. So the form of every call is known
from the instructions that made its slots, and never guessed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bytecode import Instr, Label
from bytecode.instr import TryBegin

from stress.instrument.body import Unreadable

_NULL_FIRST = sys.version_info < (3, 13)
CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX", "WITH_EXCEPT_START"})
#: Before these the stack is kept.
_KEPT = CALLS | {"FOR_ITER", "GET_ITER", "COMPARE_OP"}
_METHOD_LOADS = frozenset({"LOAD_METHOD", "LOAD_ATTR", "LOAD_SUPER_ATTR"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One place on the stack: what instruction made it."""

    made_by: str
    #: Of the variable or attribute that was loaded; else empty.
    name: str = ""
    #: Where in the source that is.
    location: Any = None
    #: Number of the instruction.
    index: int = -1
    #: The two slots of a method load: which of them is NULL is only known when it runs.
    is_half_method: bool = False


NULL = Slot("NULL")


def name_of(argument: Any) -> str:
    """The name in the argument of an instruction; empty where there is none."""
    if isinstance(argument, tuple) and argument:
        argument = argument[-1]
    return argument if isinstance(argument, str) else str(getattr(argument, "name", ""))


def is_method_load(instruction: Instr) -> bool:
    """Does it push two slots, for a method call?"""
    if instruction.name == "LOAD_METHOD":
        return True
    argument = instruction.arg
    return instruction.name in _METHOD_LOADS and isinstance(argument, tuple) and argument[0] is True


def stacks(items: Sequence[Any]) -> dict[int, tuple[Slot, ...]]:
    """Index of a call or a step of a loop -> the stack before it; unreachable ones are left out.

    Raises Unreadable where two ways to an instruction bring stacks of different depth.
    """
    labels = {item: index for index, item in enumerate(items) if isinstance(item, Label)}
    depths: dict[int, int] = {}
    found: dict[int, tuple[Slot, ...]] = {}
    pending: list[tuple[int, list[Slot]]] = [(0, [])]
    while pending:
        index, stack = pending.pop()
        while index < len(items):
            item = items[index]
            if isinstance(item, TryBegin):
                pending.append((labels[item.target], _at_handler(stack, item)))
            if isinstance(item, Instr):
                if index in depths:
                    if depths[index] != len(stack):
                        raise Unreadable(f"stack depths differ at {item.name}")
                    break
                depths[index] = len(stack)
                if item.name in _KEPT:
                    found[index] = tuple(stack)
                if item.has_jump():
                    assert isinstance(item.arg, Label)
                    pending.append((labels[item.arg], _after(stack, item, index, jump=True)))
                if item.is_final() or item.is_uncond_jump():
                    break
                stack = _after(stack, item, index, jump=False)
            index += 1
    return found


def _is_range(slot: Slot) -> bool:
    return slot.made_by == "CALL" and slot.name == "range"


def is_iterator(slot: Slot) -> bool:
    """Is it the iterator of a comprehension or generator expression, made where that stands? From
    3.13.1 on these make sure of it: they ask it for its iterator, which is itself."""
    return slot.made_by == "GET_ITER" or slot.name == ".0"


def is_own_range(slot: Slot) -> bool:
    """Is it the iterator that a loop made for itself of a call of `range`? Nobody shares that."""
    return slot.made_by == "GET_ITER" and slot.name == "range"


def _at_handler(stack: list[Slot], entry: TryBegin) -> list[Slot]:
    depth = entry.stack_depth
    if not isinstance(depth, int) or depth > len(stack):
        raise Unreadable("an exception handler keeps more of the stack than there is")
    return [*stack[:depth], *[Slot("exception")] * (2 if entry.push_lasti else 1)]


def _after(before: list[Slot], instruction: Instr, index: int, jump: bool) -> list[Slot]:
    """The stack after `instruction`, with or without its jump."""
    stack, name, argument = before.copy(), instruction.name, instruction.arg
    if name == "SWAP":
        stack[-1], stack[-argument] = stack[-argument], stack[-1]  # type: ignore[operator]
        return stack
    if name == "COPY":
        return [*stack, stack[-argument]]  # type: ignore[operator]
    if name == "PUSH_NULL":
        return [*stack, NULL]
    named = "" if name == "LOAD_CONST" else name_of(argument)
    slot = Slot(name, named, instruction.location, index)
    if name == "PRECALL":
        return stack
    if name == "RETURN_GENERATOR":
        # When it goes on there is what was sent to it.
        return [*stack, slot]
    if name == "CALL":
        kept = len(stack) - 2 - argument  # type: ignore[operator]
        if any(made.made_by == "LOAD_GLOBAL" and made.name == "range" for made in stack[kept:][:2]):
            slot = replace(slot, name="range")
        return [*stack[:kept], slot]
    if name == "GET_ITER":
        if is_iterator(stack[-1]):
            return stack
        return [*stack[:-1], replace(slot, name=stack[-1].name if _is_range(stack[-1]) else "")]
    if name == "STORE_FAST_LOAD_FAST":
        return [*stack[:-1], slot]
    if name == "LOAD_FAST_LOAD_FAST":
        return [*stack, replace(slot, name=name_of(argument[0])), slot]  # type: ignore[index]
    if name == "LOAD_GLOBAL" and isinstance(argument, tuple) and argument[0]:
        return [*stack, NULL, slot] if _NULL_FIRST else [*stack, slot, NULL]
    if is_method_load(instruction):
        half = replace(slot, is_half_method=True)
        del stack[-3 if name == "LOAD_SUPER_ATTR" else -1 :]
        return [*stack, half, half]
    if name.startswith("BEFORE_"):
        return [*stack[:-1], slot, Slot("value")]
    before_pushing, pushed = instruction.pre_and_post_stack_effect(jump=jump)
    if before_pushing < 0:
        if -before_pushing > len(stack):
            raise Unreadable(f"{name} takes more than there is")
        del stack[before_pushing:]
    if pushed < 0:
        del stack[pushed:]
    return stack + [slot] * (max(before_pushing, 0) + max(pushed, 0))
