"""What a mutant is: one seeded defect, put in place in memory around a run, never on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`apply()` gives a context: the defect is there inside it and gone, exactly, after it."""

    name: str
    summary: str
    apply: Callable[[], AbstractContextManager[object]]
