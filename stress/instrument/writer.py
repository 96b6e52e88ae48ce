"""Writes the code of one function anew, with calls to hooks in it."""

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
    KEYS,
    ON_CELLS,
    ON_GLOBALS,
    ON_OBJECTS,
    attributes,
    changes_in_place,
    compared,
    expression_location,
    is_of_constant,
    tested_load,
)
from stress.instrument.places import Places
from stress.instrument.probes import ACCESS, CALL, DEEPER, GLOBALS, on_cell, on_slot, probe
from stress.instrument.stack import (
    CALLS,
    is_iterator,
    is_method_load,
    is_own_range,
    name_of,
    stacks,
)
from stress.instrument.template import MARK


class Writer:
    """Writes one function anew, with calls to hooks. Raises what the code makes it raise."""

    def __init__(
        self,
        body: Body,
        cells: frozenset[str],
        global_names: frozenset[str],
        places: Places,
        iterated: Any,
    ) -> None:
        """Of the closure variables and globals those that need hooks; where its sites are kept.

        Of a comprehension or generator expression also where that is which it iterates.
        """
        if body.error is not None:
            raise body.error
        self._body = body
        self._cells = cells
        self._globals = global_names
        self._places = places
        self._iterated = iterated
        self._items = self._with_bound_methods()
        self._stacks = stacks(self._items)

    def write(self) -> CodeType:
        """The code, with marks for all that is only known when it is bound."""
        code = self._body.code
        before: dict[int, list[Instr]] = {}
        for index, item in enumerate(self._items):
            if not isinstance(item, Instr):
                continue
            if item.name in CALLS:
                before[first_of_call(self._items, index)] = self._call(index)
            else:
                before[index] = self._access(index)
        result = self._body.items.copy()
        result.clear()
        for index, item in enumerate(self._items):
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

    def iterated_by(self, inner: Body) -> Any:
        """Where that is which a comprehension or generator expression inside iterates, or None."""
        for index, stack in self._stacks.items():
            if self._items[index].name == "CALL" and len(stack) > 1:
                made, iterator = stack[-2:]
                loads = self._items[made.index - 1] if made.made_by == "MAKE_FUNCTION" else None
                if getattr(loads, "arg", None) is inner.code and iterator.made_by == "GET_ITER":
                    return expression_location(self._items, iterator.index)
        return None

    def _where(self, index: int) -> Any:
        """Where in the source an operation is: its own location says less on some Pythons."""
        item = self._items[index]
        if item.name in ("GET_ITER", "BEFORE_WITH"):
            return expression_location(self._items, index)
        if item.name == "FOR_ITER" and sys.version_info < (3, 13) and index in self._stacks:
            iterator = self._stacks[index][-1]
            if iterator.made_by == "GET_ITER":
                return expression_location(self._items, iterator.index)
            if iterator.name == ".0" and self._iterated is not None:
                return self._iterated
        return item.location

    def _probe(
        self, hook: Any, kind: str, name: str, index: int, subjects: list[Any], where: Any
    ) -> list[Instr]:
        item = self._items[index]
        fallback = (self._body.code.co_firstlineno, self._body.code.co_name, index)
        place = self._places.index(kind, name, item.name, where, fallback)
        return list(probe(hook, place, subjects, item.location))

    def _call(self, index: int) -> list[Instr]:
        item, stack = self._items[index], self._stacks.get(index, ())
        entered = exit_slot(self._items, index, stack)
        if entered is not None:
            # All ways out of one `with` are one place, that of its entry.
            fallback = (0, "", entered.index)
            where = expression_location(self._items, entered.index)
            place = self._places.index("exit", "", "", where, fallback)
            return list(probe(ACCESS, place, [on_slot(4)], item.location))
        found = call_subjects(self._items, index, stack)
        if found is None:
            return []
        return self._probe(CALL, "call", found.name, index, found.subjects, item.location)

    def _access(self, index: int) -> list[Instr]:
        item = self._items[index]
        top = self._stacks.get(index, ())[-1:]
        if item.name == "FOR_ITER" and any(map(is_own_range, top)):
            return []
        if item.name == "GET_ITER" and any(map(is_iterator, top)):
            return []
        name, where = name_of(item.arg), self._where(index)
        if item.name in ON_OBJECTS and not is_of_constant(self._items, index):
            kind, depth = ON_OBJECTS[item.name]
            subjects: list[Any] = [on_slot(depth)]
            if item.name in KEYS:
                # The object stands above it, too, by then.
                subjects.append(on_slot(KEYS[item.name] + 1))
            return [
                instruction
                for attribute in attributes(self._items, index)
                for instruction in self._probe(ACCESS, kind, attribute, index, subjects, where)
            ]
        if item.name == "COMPARE_OP":
            return [
                instruction
                for depth in compared(self._stacks.get(index, ()))
                for instruction in self._probe(
                    ACCESS, "compare", "", index, [on_slot(depth)], where
                )
            ]
        tested = tested_load(self._items, index)
        if tested is not None:
            # Where the jump is depends on the Python; where the value is does not.
            return self._probe(ACCESS, "read item", "", index, [on_slot(1)], tested.location)
        if changes_in_place(self._items, index):
            return self._probe(ACCESS, "write item", "", index, [on_slot(2)], where)
        if item.name in ON_GLOBALS and name in self._globals and not is_module(self._body.code):
            subjects = [("LOAD_CONST", GLOBALS)]
            return self._probe(ACCESS, ON_GLOBALS[item.name], name, index, subjects, where)
        if item.name in ON_CELLS and name in self._cells:
            subjects = [on_cell(item.arg, self._body.code.co_varnames)]
            return self._probe(ACCESS, ON_CELLS[item.name], name, index, subjects, where)
        return []


def _plain_load(item: Instr) -> Instr:
    """The load of an attribute that pushes one slot."""
    argument: Any = item.arg
    if item.name == "LOAD_SUPER_ATTR":
        return Instr(item.name, (False, *argument[1:]), location=item.location)
    if item.name == "LOAD_METHOD":
        return Instr("LOAD_ATTR", argument, location=item.location)
    return Instr("LOAD_ATTR", (False, argument[-1]), location=item.location)
