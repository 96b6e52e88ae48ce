"""The table that says where in the source each instruction is (CPython's Objects/locations.md).

Written here because `bytecode` (0.19) writes a column from 128 up in a form made for less: what
reads such a table goes past its end, and a tracer of Python 3.11 past the end of its memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

_NO_LOCATION, _NO_COLUMNS, _LONG = 15, 13, 14
_UNITS_MAX = 8


def line_table(first_line: int, located: Iterable[tuple[int, Any]]) -> bytes:
    """The table of code that begins at a line: for each instruction its code units and location."""
    table = bytearray()
    line = first_line
    for location, group in groupby(located, key=lambda pair: pair[1]):
        units = sum(count for count, _ in group)
        while units > 0:
            count = min(units, _UNITS_MAX)
            units -= count
            kind, numbers = _entry(location, line)
            table.append(0x80 | kind << 3 | count - 1)
            for number in numbers:
                table.extend(_varint(number))
            if kind != _NO_LOCATION:
                line = location.lineno
    return bytes(table)


def _entry(location: Any, line: int) -> tuple[int, tuple[int, ...]]:
    """Kind and numbers of an entry, where the one before is at `line`."""
    if location is None or location.lineno is None:
        return _NO_LOCATION, ()
    delta = location.lineno - line
    signed = (-delta << 1 | 1) if delta < 0 else delta << 1
    if location.col_offset is None or location.end_col_offset is None:
        return _NO_COLUMNS, (signed,)
    height = location.end_lineno - location.lineno
    return _LONG, (signed, height, location.col_offset + 1, location.end_col_offset + 1)


def _varint(number: int) -> Iterator[int]:
    """Six bits at a time, the lowest first; all but the last have the next bit set."""
    while number >= 64:
        yield 0x40 | number & 63
        number >>= 6
    yield number
