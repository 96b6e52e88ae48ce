"""Who took something by name: `from threading import Lock` keeps what stood there at the import."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def find_holders(
    originals: Mapping[int, Any],
) -> list[tuple[dict[str, Any], str, Any]]:
    """Names of modules that are bound to one of these objects, which are given by identity.

    The module's names, the name there, and what `originals` has for the object. Not in the modules
    of this package.
    """
    found: list[tuple[dict[str, Any], str, Any]] = []
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        # Most modules hold nothing of it: that is found out without a loop of ours.
        if not isinstance(names, dict) or originals.keys().isdisjoint(map(id, names.values())):
            continue
        if str(names.get("__name__", "")).startswith("stress."):
            continue
        found += [
            (names, name, originals[id(value)])
            for name, value in list(names.items())
            if id(value) in originals
        ]
    return found
