"""Controlled execution: one task at a time, every switch chosen."""

from __future__ import annotations


def is_compiled() -> bool:
    """Whether the core was compiled when the package was built: see `setup.py`."""
    from stress.engine import execution

    return not execution.__file__.endswith(".py")
