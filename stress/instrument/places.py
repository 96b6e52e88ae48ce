"""The sites of one function, numbered in the order of the source."""

from __future__ import annotations

from collections import Counter
from typing import Any

#: Kind, name, function, line, number: what a site is made of, apart from module and file.
Place = tuple[str, str, str, int, int]


class Places:
    """Collects the places of one function and of the comprehensions written in it."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._indexes: dict[tuple[Any, ...], int] = {}
        self._lines: list[int] = []
        self.places: list[Place] = []

    def index(self, kind: str, name: str, operation: str, location: Any, fallback: Any) -> int:
        """Index of the place of an operation at a location; `fallback` where columns are missing.

        Instructions of the same piece of source are one place.
        """
        start, end, line = (0, 0), (0, 0), 0
        where: Any = fallback
        if location is not None and location.lineno is not None:
            line = location.lineno
            start = end = (line, 0)
            if location.end_col_offset is not None:
                start = (line, location.col_offset)
                end = (location.end_lineno, location.end_col_offset)
                where = ()
        key = (kind, name, end, start, operation == "FOR_ITER", where)
        if key not in self._indexes:
            self._lines.append(line)
        return self._indexes.setdefault(key, len(self._indexes))

    def number(self) -> None:
        """Fill `places`, when the last operation has its index."""
        counted: Counter[tuple[str, str]] = Counter()
        made: dict[int, Place] = {}
        for key in sorted(self._indexes):
            kind, name, index = key[0], key[1], self._indexes[key]
            made[index] = (kind, name, self._function, self._lines[index], counted[kind, name])
            counted[kind, name] += 1
        self.places += [made[index] for index in range(len(made))]
