"""A rewritten function, to be bound to hooks: microseconds, where rewriting takes a millisecond."""

from __future__ import annotations

from types import CodeType
from typing import Any

from stress.instrument.hooks import Hooks
from stress.site import Site

#: First element of the constants that stand in for what is only known when code is bound.
MARK = "\0stress"


class Template:
    """A rewritten function with its sites, and those inside it. Its sites outlive the hooks."""

    __slots__ = ("_code", "_consts", "_filled", "_nested", "has_hooks")

    def __init__(self, rewritten: Any, module: str) -> None:
        self._code, places, nested = rewritten
        self._consts: list[Any] = list(self._code.co_consts)
        #: Index into the constants -> what belongs there.
        self._filled: dict[int, str] = {}
        #: Index into the constants -> index into those of the original, and the template.
        self._nested: dict[int, tuple[int, Template]] = {}
        sites: dict[int, Site] = {}
        for index, const in enumerate(self._consts):
            if type(const) is not tuple or not const or const[0] != MARK:
                continue
            if const[1] == "site":
                place = const[2]
                if place not in sites:
                    sites[place] = self._site(places[place], module)
                self._consts[index] = sites[place]
            elif const[1] == "code":
                self._nested[index] = (const[2], Template(nested[const[2]], module))
            else:
                self._filled[index] = const[1]

        #: Does it call a hook, or does a function inside it? If not it stays as it is.
        self.has_hooks: bool = bool(sites) or any(
            inner.has_hooks for _, inner in self._nested.values()
        )

    def _site(self, place: tuple[str, str, str, int, int], module: str) -> Site:
        kind, name, function, line, number = place
        return Site(kind, name, function, module, self._code.co_filename, line, number)

    def bind(self, original: CodeType, hooks: Hooks, names: dict[str, Any], bound: Bound) -> None:
        """Add to `bound` what this makes of `original`, a function of the module with `names`."""
        values = {"access": hooks.access, "call": hooks.call, "globals": names}
        if self.has_hooks:
            self._bind(original, values, bound)

    def _bind(self, original: CodeType, values: dict[str, Any], bound: Bound) -> CodeType:
        consts = self._consts.copy()
        for index, what in self._filled.items():
            consts[index] = values[what]
        for index, (original_index, template) in self._nested.items():
            inner = original.co_consts[original_index]
            consts[index] = template._bind(inner, values, bound) if template.has_hooks else inner
        made: CodeType = self._code.replace(co_consts=tuple(consts))
        bound.add(original, made)
        return made


class Bound:
    """Which code was made of which. By identity: two code objects that are equal stay two."""

    def __init__(self) -> None:
        self._made: dict[int, CodeType] = {}
        # Both are kept alive, so that no other object gets their identity.
        self._originals: dict[int, tuple[CodeType, CodeType]] = {}

    def add(self, original: CodeType, made: CodeType) -> None:
        self._made[id(original)] = made
        self._originals[id(made)] = (made, original)

    def made_of(self, original: CodeType) -> CodeType | None:
        return self._made.get(id(original))

    def original_of(self, made: CodeType) -> CodeType | None:
        """The original; None if `made` is none of ours."""
        found = self._originals.get(id(made))
        return found[1] if found else None
