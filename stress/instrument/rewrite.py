"""Code with calls to hooks in it, as a template: what is only known later stands there as a mark.

This is the costly part, about a millisecond per function. See `stress.instrument.templates`
for how it is done once.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

from bytecode import Instr

from stress.instrument.assigned import is_module
from stress.instrument.body import Body
from stress.instrument.calls import call_subjects, exit_slot, first_of_call
from stress.instrument.locations import line_table
from stress.instrument.method_names import method_names
from stress.instrument.operations import (
    ON_CELLS,
    ON_GLOBALS,
    ON_OBJECTS,
    attributes,
    changes_in_place,
    entry_location,
    is_of_constant,
    tests_truth,
)
from stress.instrument.places import Place, Places
from stress.instrument.probes import ACCESS, CALL, DEEPER, GLOBALS, on_cell, on_slot, probe
from stress.instrument.stack import Slot, is_method_load, name_of, stacks
from stress.instrument.template import MARK
from stress.instrument.variables import shared_cells

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
        return self._function(Body(code), frozenset(code.co_freevars) - {"__class__"})

    def _function(self, body: Body, shared_free: frozenset[str]) -> Rewritten:
        places = Places(body.code.co_qualname)
        made = self._part(body, shared_free, places)
        places.number()
        return made

    def _part(self, body: Body, shared_free: frozenset[str], places: Places) -> Rewritten:
        """A function, or a comprehension that is part of one: it shares its `places`."""
        shared = shared_cells(body) | (shared_free & set(body.code.co_freevars))
        nested = {
            index: self._part(inner, shared, places)
            if inner.is_comprehension
            else self._function(inner, shared)
            for index, inner in body.nested.items()
        }
        try:
            if body.error is not None:
                raise body.error
            code = _Writer(body, shared, self._shared_globals, places).write()
        except Exception as error:
            # Whatever is odd about it: it runs as it is, only the functions inside it have hooks.
            self.refused.append((body.code.co_qualname, f"{type(error).__name__}: {error}"))
            code = _with_marks(body.code)
        return code, places.places, nested


def _with_marks(code: CodeType) -> CodeType:
    return code.replace(
        co_consts=tuple(
            (MARK, "code", index) if isinstance(const, CodeType) else const
            for index, const in enumerate(code.co_consts)
        )
    )


class _Writer:
    """Writes one function anew."""

    def __init__(
        self, body: Body, cells: frozenset[str], global_names: frozenset[str], places: Places
    ) -> None:
        self._body = body
        self._cells = cells
        self._globals = global_names
        self._places = places

    def write(self) -> CodeType:
        code = self._body.code
        items = self._with_bound_methods()
        before: dict[int, list[Instr]] = {}
        before_calls = stacks(items)
        for index, item in enumerate(items):
            if not isinstance(item, Instr):
                continue
            if index in before_calls:
                first, probes = first_of_call(items, index), self._call(items, index, before_calls)
            else:
                first, probes = index, self._access(items, index)
            before[first] = probes
        result = self._body.items.copy()
        result.clear()
        for index, item in enumerate(items):
            result.extend(before.get(index, ()))
            result.append(self._marked(item))
        concrete = result.to_concrete_bytecode(compute_exception_stack_depths=False)
        made = concrete.to_code(
            stacksize=code.co_stacksize + DEEPER, compute_exception_stack_depths=False
        )
        located = [(item.size // 2, item.location) for item in concrete]
        return made.replace(co_linetable=line_table(code.co_firstlineno, located))

    def _with_bound_methods(self) -> list[Any]:
        """The instructions, where methods of containers are bound before they are called."""
        items: list[Any] = []
        for item in self._body.items:
            if not isinstance(item, Instr) or not is_method_load(item):
                items.append(item)
                continue
            name = name_of(item.arg)
            if name not in method_names():
                items.append(item)
                continue
            place = item.location
            null = [Instr("PUSH_NULL", location=place)]
            if sys.version_info < (3, 13):
                null.append(Instr("SWAP", 2, location=place))
            items += [_plain_load(item), *null]
        return items

    def _marked(self, item: Any) -> Any:
        """Functions inside get marks, so that two equal ones stay two."""
        if not isinstance(item, Instr) or item.name != "LOAD_CONST":
            return item
        for index, inner in self._body.nested.items():
            if item.arg is inner.code:
                return Instr("LOAD_CONST", (MARK, "code", index), location=item.location)
        return item

    def _probe(
        self,
        hook: Any,
        kind: str,
        name: str,
        item: Instr,
        index: int,
        subjects: list[Any],
        where: Any = None,
    ) -> list[Instr]:
        fallback = (self._body.code.co_firstlineno, self._body.code.co_name, index)
        place = self._places.index(kind, name, item.name, where or item.location, fallback)
        return list(probe(hook, place, subjects, item.location))

    def _call(
        self, items: list[Any], index: int, stacks_before: dict[int, tuple[Slot, ...]]
    ) -> list[Instr]:
        item, stack = items[index], stacks_before[index]
        entered = exit_slot(items, index, stack)
        if entered is not None:
            # All ways out of one `with` are one place, that of its entry.
            fallback = (0, "", entered.index)
            where = entry_location(items, entered.index)
            place = self._places.index("exit", "", "", where, fallback)
            return list(probe(ACCESS, place, [on_slot(4)], item.location))
        found = call_subjects(items, index, stack)
        if found is None:
            return []
        return self._probe(CALL, "call", found.name, item, index, found.subjects)

    def _access(self, items: list[Any], index: int) -> list[Instr]:
        item = items[index]
        name = name_of(item.arg)
        if item.name in ON_OBJECTS and not is_of_constant(items, index):
            kind, depth = ON_OBJECTS[item.name]
            where = entry_location(items, index) if kind == "enter" else None
            probes = []
            for named in attributes(items, index):
                probes += self._probe(ACCESS, kind, named, item, index, [on_slot(depth)], where)
            return probes
        if tests_truth(items, index):
            # Where the jump is depends on the Python; where the value is does not.
            where = items[index - 1].location
            return self._probe(ACCESS, "read item", "", item, index, [on_slot(1)], where)
        if changes_in_place(items, index):
            return self._probe(ACCESS, "write item", "", item, index, [on_slot(2)])
        if item.name in ON_GLOBALS and name in self._globals and not is_module(self._body.code):
            subjects: list[Any] = [("LOAD_CONST", GLOBALS)]
            return self._probe(ACCESS, ON_GLOBALS[item.name], name, item, index, subjects)
        if item.name in ON_CELLS and name in self._cells:
            subjects = [on_cell(item.arg, self._body.code.co_varnames)]
            return self._probe(ACCESS, ON_CELLS[item.name], name, item, index, subjects)
        return []


def _plain_load(item: Instr) -> Instr:
    """The load of an attribute that pushes one slot."""
    argument: Any = item.arg
    if item.name == "LOAD_SUPER_ATTR":
        return Instr(item.name, (False, *argument[1:]), location=item.location)
    if item.name == "LOAD_METHOD":
        return Instr("LOAD_ATTR", argument, location=item.location)
    return Instr("LOAD_ATTR", (False, argument[-1]), location=item.location)
