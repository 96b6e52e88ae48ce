"""Hooks that keep what they get, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stress.instrument import Hooks, Instrumented, instrumented
from stress.site import Site


class Seen:
    """Two hooks, and all that they were called with."""

    def __init__(self) -> None:
        self.events: list[tuple[Site, tuple[Any, ...]]] = []
        self.hooks = Hooks(access=self.access, call=self.call)

    def access(self, site: Site, subject: Any, key: object = None) -> None:
        self.events.append((site, (subject,)))

    def call(self, site: Site, callee: Any, argument: Any) -> None:
        self.events.append((site, (callee, argument)))

    def of(self, *kinds: str) -> list[tuple[str, str]]:
        """Kind and name of what was seen, in order; of some kinds, or of all."""
        return [
            (site.kind, site.name) for site, _ in self.events if not kinds or site.kind in kinds
        ]

    def subjects(self, kind: str, name: str = "") -> list[Any]:
        """The objects, in order; of a call the callable."""
        return [given[0] for site, given in self.events if (site.kind, site.name) == (kind, name)]


def silent(*_: object) -> None:
    """A hook that does nothing."""


SILENT = Hooks(access=silent, call=silent)


def watch(function: Callable[..., Any], *arguments: Any, module: str = "") -> Seen:
    """What a function does, while it returns what it ever did."""
    seen = Seen()
    expected = function(*arguments)
    with instrumented((module,) if module else (), seen.hooks, function) as made:
        result = function(*arguments)
    assert result == expected
    assert_all_restored(made)
    return seen


def assert_all_restored(made: Instrumented) -> None:
    assert made.functions == 0
    assert made.refused == []
