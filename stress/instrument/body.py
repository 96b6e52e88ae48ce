"""A function taken apart: its instructions, and the functions written inside it."""

from __future__ import annotations

import sys
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType

from bytecode import Bytecode

_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})


class Unreadable(Exception):
    """The code is not as any compiler that we know writes it; the message says what is odd."""


class Body:
    """Code, and by index into its constants the functions inside it."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        #: The instructions; empty where they could not be read.
        self.items = Bytecode()
        #: Why they could not be read.
        self.error: Exception | None = None
        try:
            self.items = _items(code)
        except Exception as error:
            self.error = error
        self.nested = {
            index: Body(const)
            for index, const in enumerate(code.co_consts)
            if isinstance(const, CodeType)
        }

    @property
    def is_comprehension(self) -> bool:
        """Is it part of the function around it, as it is written, and as later Pythons have it?"""
        return sys.version_info < (3, 12) and self.code.co_name in _COMPREHENSIONS

    @property
    def name(self) -> str:
        """The qualified name, as later Pythons have it: without comprehensions around it."""
        if sys.version_info >= (3, 12):
            return self.code.co_qualname
        kept = [part for part in self.code.co_qualname.split(".") if part not in _COMPREHENSIONS]
        return ".".join(kept)

    @property
    def argument_count(self) -> int:
        """How many of the local names are arguments."""
        code = self.code
        stars = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
        return code.co_argcount + code.co_kwonlyargcount + stars


def _items(code: CodeType) -> Bytecode:
    others = {*code.co_cellvars, *(code.co_varnames if sys.version_info >= (3, 13) else ())}
    twice = others & set(code.co_freevars)
    if twice:
        # A comprehension in the body of a class does this. The library below takes one for the
        # other.
        raise Unreadable(f"{', '.join(sorted(twice))}: both of this function and of one around it")
    items = Bytecode.from_code(code, conserve_exception_block_stackdepth=True)
    # Otherwise the locals come in the order of their first use, as locals() would show.
    items.argnames = list(code.co_varnames)
    return items
