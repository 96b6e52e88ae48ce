"""Code with calls to hooks in it, as a template: what is only known later stands there as a mark.

This is the costly part, about a millisecond per function. See `stress.instrument.templates`
for how it is done once.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from stress.instrument.body import Body
from stress.instrument.places import Place, Places
from stress.instrument.template import MARK
from stress.instrument.variables import shared_cells
from stress.instrument.writer import Writer

#: A function with marks for constants, its places, and the functions inside it by index into the
#: constants of the original. Plain values only, so that it can be kept on disk. A comprehension
#: has the very list of places of the function around it.
Rewritten = tuple[CodeType, list[Place], dict[int, Any]]


class Rewriter:
    """Rewrites the functions of one module; collects what it has to refuse."""

    def __init__(self, shared_globals: frozenset[str]) -> None:
        self._shared_globals = shared_globals
        #: Qualified name and reason of every function that stays as it is.
        self.refused: list[tuple[str, str]] = []

    def rewrite(self, code: CodeType) -> Rewritten:
        """`code` and the functions inside it.

        The function around it, if any, is not known: every variable of that may be shared.
        """
        return self._function(Body(code), frozenset(code.co_freevars) - {"__class__"}, None)

    def _function(self, body: Body, shared_free: frozenset[str], iterated: Any) -> Rewritten:
        places = Places(body.name)
        made = self._part(body, shared_free, iterated, places)
        places.number()
        return made

    def _part(
        self, body: Body, shared_free: frozenset[str], iterated: Any, places: Places
    ) -> Rewritten:
        """A function, or a comprehension that is part of one: it shares its `places`."""
        shared = shared_cells(body) | (shared_free & set(body.code.co_freevars))
        writer = None
        try:
            writer = Writer(body, shared, self._shared_globals, places, iterated)
            code = writer.write()
        except Exception as error:
            # Whatever is odd about it: it runs as it is, only the functions inside it have hooks.
            self.refused.append((body.code.co_qualname, f"{type(error).__name__}: {error}"))
            code = _with_marks(body.code)
        nested: dict[int, Any] = {}
        for index, inner in body.nested.items():
            where = writer.iterated_by(inner) if writer else None
            if inner.is_comprehension:
                nested[index] = self._part(inner, shared, where, places)
            else:
                nested[index] = self._function(inner, shared, where)
        return code, places.places, nested


def _with_marks(code: CodeType) -> CodeType:
    return code.replace(
        co_consts=tuple(
            (MARK, "code", index) if isinstance(const, CodeType) else const
            for index, const in enumerate(code.co_consts)
        )
    )
