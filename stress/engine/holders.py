"""Who took something by name: `from threading import Lock` keeps what stood there at the import."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Collection
from typing import Any

_COUNTS_REFERENCES = not sysconfig.get_config_var("Py_GIL_DISABLED")
#: The names of a module, one of them, and what is to stand there.
Holder = tuple[dict[str, Any], str, Any]


class Holders:
    """Finds them, and remembers from one exploration to the next which modules are none.

    To look at every name of every module takes a millisecond or two. A module that was none still
    is, if its names are bound to things of the same types and no reference was added to anything
    that is looked for.
    """

    def __init__(self) -> None:
        #: By name in `sys.modules`: the identity of its names, and the types of what they name.
        self._others: dict[str, tuple[int, tuple[type, ...]]] = {}
        self._references: list[tuple[int, int]] = []

    def find(self, pairs: Collection[tuple[Any, Any]]) -> list[Holder]:
        """Names of modules that are bound to the first of one of the pairs, with the second. Not in
        the modules of this package."""
        stand_ins = {id(real): stand_in for real, stand_in in pairs}
        references = [(id(real), sys.getrefcount(real)) for real, _ in pairs]
        known = self._others if references == self._references and _COUNTS_REFERENCES else {}
        self._others, self._references = {}, references
        found: list[Holder] = []
        for key, module in list(sys.modules.items()):
            names = getattr(module, "__dict__", None)
            if not isinstance(names, dict) or key.startswith("stress."):
                continue
            state = id(names), tuple(map(type, names.values()))
            # Most modules hold nothing of it: that is found out without a loop of ours.
            if known.get(key) == state or stand_ins.keys().isdisjoint(map(id, names.values())):
                self._others[key] = state
            elif not str(names.get("__name__", "")).startswith("stress."):
                found += [
                    (names, name, stand_ins[id(value)])
                    for name, value in list(names.items())
                    if id(value) in stand_ins
                ]
        return found
