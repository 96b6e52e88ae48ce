"""One frame of a stack. Plain data; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """File, line and qualified name of the function."""

    file: str
    line: int
    function: str
