"""Iterators and views: what they go through is what others change, and DPOR has to know."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stress import Verdict, explore
from stress.engine.iterators import container_of
from stress.strategies.dfs import DFS
from stress.strategies.dpor import DPOR
from tests.corpus.case import together

MADE: dict[str, Callable[[], Any]] = {
    "list": lambda: [1, 2, 3],
    "dict": lambda: {1: 1, 2: 2, 3: 3},
    "set": lambda: {1, 2, 3},
    "deque": lambda: deque([1, 2, 3]),
    "ordered": lambda: OrderedDict({1: 1, 2: 2, 3: 3}),
}
WAYS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "itself": lambda made: made,
    "iter": iter,
    "enumerate": enumerate,
    "zip": lambda made: zip(made, range(9), strict=False),
    "reversed": lambda made: made if isinstance(made, set) else reversed(made),
}
VIEWS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "keys": lambda made: made.keys(),
    "values": lambda made: made.values(),
    "items": lambda made: made.items(),
}
CASES = [(made, way) for made in MADE for way in WAYS] + [
    (made, view) for made in ("dict", "ordered") for view in VIEWS
]


@pytest.mark.parametrize(("made", "way"), CASES)
def test_what_an_iterator_goes_through(made: str, way: str) -> None:
    container = MADE[made]()
    through = {**WAYS, **VIEWS}[way](container)
    assert container_of(through) is container
    assert container_of(iter(through)) is container


def test_what_goes_through_nothing() -> None:
    exhausted = iter([1])
    list(exhausted)
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        # Without the interpreter's lock it does not let go of what it went through.
        assert container_of(exhausted) is None
    assert container_of(iter(range(3))) is None
    assert container_of(object()) is None
    assert container_of(number for number in [1]) is None


def shrinks(made: str, way: str, seen: set[object]) -> Callable[[], None]:
    """One goes through it, item by item, and another takes one out."""
    find = {**WAYS, **VIEWS}[way]

    def program() -> None:
        container, got = MADE[made](), []

        def go_through() -> None:
            try:
                for item in find(container):
                    got.append(item)
            except (RuntimeError, KeyError):
                got.append("changed")

        def take() -> None:
            if isinstance(container, dict):
                container.pop(3)
            elif isinstance(container, set):
                container.remove(3)
            else:
                container.pop()

        together(go_through, take)
        seen.add(str(got))

    return program


@pytest.mark.parametrize(("made", "way"), CASES)
def test_dpor_sees_what_all_interleavings_show(made: str, way: str) -> None:
    by_dfs: set[object] = set()
    by_dpor: set[object] = set()
    options: dict[str, Any] = {"targets": [__name__], "executions": 3000, "shrink": False}
    every = explore(shrinks(made, way, by_dfs), strategy=DFS(), **options)
    few = explore(shrinks(made, way, by_dpor), strategy=DPOR(), **options)
    assert every.verdict is few.verdict is Verdict.HOLDS
    assert every.reason == few.reason == "all interleavings were executed"
    # What comes out, without the executions by which it is seen whether the program repeats itself.
    assert by_dpor == by_dfs
    assert len(by_dfs) > 1
    assert few.statistics.executions >= len(by_dfs)
    assert few.statistics.executions < every.statistics.executions


def test_two_that_only_go_through_do_not_conflict() -> None:
    def program() -> None:
        items = [1, 2, 3]

        def go_through() -> None:
            for item in items:
                assert item

        together(go_through, go_through)

    found = explore(program, strategy="dpor", targets=[__name__])
    assert found.reason == "all interleavings were executed"
    assert found.statistics.executions == 1


def test_builtins_that_are_given_a_view_look_at_the_dictionary() -> None:
    seen: set[tuple[int, ...]] = set()

    def program() -> None:
        items = {1: 1, 2: 2}
        got: list[int] = []
        together(lambda: got.extend(list(items.values())), lambda: items.pop(2))
        seen.add(tuple(got))

    found = explore(program, strategy="dpor", targets=[__name__])
    assert found.reason == "all interleavings were executed"
    # It comes before the view is made, before that is looked at, or after.
    assert found.statistics.executions == 3
    assert seen == {(1,), (1, 2)}
