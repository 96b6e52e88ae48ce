"""Instrumentation by bytecode: a call to a hook before every access that another task could see.

Functions get another `__code__` for the length of a block, and their own back after it. Line
tables stay exact. What is instrumented: attributes, subscripts, iteration and `in`, globals that
some function of the module assigns, and closure cells that some function assigns.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

from bytecode import Bytecode, Instr

#: `hook(kind, obj, name)` is called before the access. `obj` is None for globals and cells.
Hook = Callable[[str, Any, str], None]

# Instruction -> kind, and where the object stands on the stack (1 is the top).
_ON_OBJECTS = {
    "LOAD_ATTR": ("read", 1),
    "LOAD_METHOD": ("read", 1),
    "STORE_ATTR": ("write", 1),
    "DELETE_ATTR": ("write", 1),
    "BINARY_SUBSCR": ("read item", 2),
    "STORE_SUBSCR": ("write item", 2),
    "DELETE_SUBSCR": ("write item", 2),
    "BINARY_SLICE": ("read item", 3),
    "STORE_SLICE": ("write item", 3),
    "CONTAINS_OP": ("read item", 1),
    "GET_ITER": ("read item", 1),
    "FOR_ITER": ("read item", 1),
}
_ON_NAMES = {
    "LOAD_GLOBAL": "read",
    "STORE_GLOBAL": "write",
    "DELETE_GLOBAL": "write",
    "LOAD_DEREF": "read",
    "STORE_DEREF": "write",
    "DELETE_DEREF": "write",
}
_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"})


@contextmanager
def instrumented(targets: Collection[str], hook: Hook) -> Iterator[int]:
    """Instrument every living function of the target modules and packages; how many there are."""
    functions = [found for found in gc.get_objects() if _is_target(found, targets)]
    changed = {
        code: instrument(code, hook, shared)
        for module in {function.__module__ for function in functions}
        for shared in [_assigned(f.__code__ for f in functions if f.__module__ == module)]
        for code in {f.__code__ for f in functions if f.__module__ == module}
    }
    before = [(function, function.__code__) for function in functions]
    try:
        for function, code in before:
            function.__code__ = changed[code]
        yield len(functions)
    finally:
        for function, code in before:
            function.__code__ = code


def _is_target(found: object, targets: Collection[str]) -> bool:
    if type(found) is not FunctionType or not isinstance(found.__module__, str):
        return False
    module = found.__module__
    return any(module == target or module.startswith(f"{target}.") for target in targets)


def _assigned(codes: Any) -> frozenset[str]:
    """Names of globals and cells that any of these functions, or one inside them, assigns."""
    names: set[str] = set()
    for code in codes:
        # A variable of the function itself is stored by every assignment to it; it is shared
        # where a function inside it assigns it too, or the function does after it made that.
        names |= {i.name_of for i in map(_Stored, Bytecode.from_code(code)) if i.name_of}
        names |= _assigned(const for const in code.co_consts if isinstance(const, CodeType))
    return frozenset(names)


class _Stored:
    """The name that an instruction assigns, if it does."""

    __slots__ = ("name_of",)

    def __init__(self, instruction: object) -> None:
        self.name_of = ""
        if isinstance(instruction, Instr) and instruction.name in _STORES:
            self.name_of = _name(instruction.arg)


def instrument(code: CodeType, hook: Hook, shared: Collection[str]) -> CodeType:
    """`code` with calls to `hook`, in the functions inside it too; `shared` names are accesses."""
    made = Bytecode.from_code(code)
    result = made.copy()
    result.clear()
    for item in made:
        if isinstance(item, Instr):
            result.extend(_probe(item, hook, shared))
            if item.name == "LOAD_CONST" and isinstance(item.arg, CodeType):
                inner = instrument(item.arg, hook, shared)
                item = Instr("LOAD_CONST", inner, location=item.location)
        result.append(item)
    return result.to_code()


def _probe(instruction: Instr, hook: Hook, shared: Collection[str]) -> list[Instr]:
    place = instruction.location
    if instruction.name in _ON_OBJECTS:
        kind, depth = _ON_OBJECTS[instruction.name]
        name = _name(instruction.arg) if "ATTR" in instruction.name else ""
        if instruction.name == "LOAD_METHOD":
            name = _name(instruction.arg)
        # What is pushed for the call stands above it by then: NULL, the hook and the kind.
        subject = Instr("COPY", depth + 3, location=place)
    elif instruction.name in _ON_NAMES:
        kind, name = _ON_NAMES[instruction.name], _name(instruction.arg)
        if name not in shared:
            return []
        subject = Instr("LOAD_CONST", None, location=place)
    else:
        return []
    callee = [Instr("LOAD_CONST", hook, location=place), Instr("PUSH_NULL", location=place)]
    if sys.version_info < (3, 13):
        callee.reverse()
    call = [Instr("CALL", 3, location=place), Instr("POP_TOP", location=place)]
    if sys.version_info < (3, 12):
        call.insert(0, Instr("PRECALL", 3, location=place))
    return [
        *callee,
        Instr("LOAD_CONST", kind, location=place),
        subject,
        Instr("LOAD_CONST", name, location=place),
        *call,
    ]


def _name(argument: Any) -> str:
    if isinstance(argument, tuple):
        argument = argument[-1]
    return argument if isinstance(argument, str) else str(getattr(argument, "name", ""))
