"""Names of modules that functions elsewhere assign: `config.level = 3`.

Nothing in the code says that `config` is a module. So a name counts as assigned where a function
assigns an attribute of that name and mentions the module too.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from types import ModuleType
from typing import Any

from stress.instrument.templates import Facts


class ModuleNames:
    """By identity of the dictionary of a module: the names of it that are assigned elsewhere."""

    def __init__(self) -> None:
        self._names: dict[int, set[str]] = {}

    def add(self, facts: Iterable[Facts], names: Mapping[str, Any]) -> None:
        """Look at functions that see these globals."""
        for fact in facts:
            if fact.stored:
                for module in _modules(fact.mentioned, names):
                    self._names.setdefault(id(module.__dict__), set()).update(fact.stored)

    def of(self, names: Mapping[str, Any]) -> Collection[str]:
        """Of the module whose dictionary this is."""
        return self._names.get(id(names), ())

    def __bool__(self) -> bool:
        return bool(self._names)


def _modules(mentioned: Iterable[str], names: Mapping[str, Any]) -> list[ModuleType]:
    # Such a name is a global, or what an import inside of the function gives.
    found = (names.get(name) or sys.modules.get(name) for name in mentioned)
    return [module for module in found if isinstance(module, ModuleType)]
