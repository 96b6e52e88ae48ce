"""The methods that read or change a container, a lock or an opaque object inside C code."""

from __future__ import annotations

import importlib
from functools import lru_cache

_CLASSES = {
    "builtins": ("list", "dict", "set", "bytearray"),
    "collections": ("deque", "OrderedDict", "defaultdict", "Counter"),
    "io": (
        "TextIOWrapper", "BufferedWriter", "BufferedReader", "FileIO", "StringIO", "BytesIO",
    ),
    "socket": ("socket",),
    "_socket": ("socket",),
    "sqlite3": ("Connection", "Cursor"),
    "_thread": ("LockType", "RLock"),
}  # fmt: skip


@lru_cache(maxsize=1)
def method_names() -> frozenset[str]:
    """Public method names of all of them. A module that this Python was built without has none."""
    names: set[str] = set()
    for module_name, class_names in _CLASSES.items():
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        for class_name in class_names:
            made = getattr(module, class_name)
            names.update(
                name
                for name in dir(made)
                if not name.startswith("_") and callable(getattr(made, name))
            )
    return frozenset(names)
