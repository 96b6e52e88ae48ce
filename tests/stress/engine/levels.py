"""A module whose names others assign."""

from __future__ import annotations

level = 0
unchanged = 3


def read() -> int:
    """The level."""
    return level + unchanged - 3
