"""Hooks for the tests of instrumentation. Here, so that they are not instrumented themselves."""

from __future__ import annotations

from typing import Any


class Seen:
    """A hook that keeps what it was told."""

    def __init__(self) -> None:
        self.accesses: list[tuple[str, str]] = []

    def __call__(self, kind: str, subject: Any, name: str) -> None:
        self.accesses.append((kind, name))


def nothing(kind: str, subject: Any, name: str) -> None:
    """A hook that does nothing."""
