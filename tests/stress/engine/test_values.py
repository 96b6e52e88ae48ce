"""Values in reports: what is shown, how long it may be, and that nothing of the program runs."""

from __future__ import annotations

import ast
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.engine.values import UNSEEN, told, value_of


def describe(value: Any) -> str:
    return f"a {type(value).__name__}"


class Touchy:
    """Whatever is asked of it fails, but for what stands where it is stored."""

    shared = 3
    made: ClassVar[list[int]] = [1]

    def __init__(self) -> None:
        object.__setattr__(self, "own", 7)

    def _fail(self, *arguments: Any) -> Any:
        raise AssertionError("the program ran")

    __getattr__ = __getattribute__ = __setattr__ = __repr__ = __str__ = __eq__ = _fail
    __hash__ = __bool__ = __len__ = __iter__ = _fail

    @property
    def asked(self) -> int:
        raise AssertionError("the program ran")


class Slotted:
    __slots__ = ("empty", "full")

    def __init__(self) -> None:
        self.full = "x"


def cell(value: int) -> Any:
    return (lambda: value).__closure__[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "name", "make", "text"),
    [
        ("read", "own", lambda: Touchy(), "7"),
        ("read", "shared", lambda: Touchy(), "3"),
        ("read", "made", lambda: Touchy(), ""),
        ("read", "asked", lambda: Touchy(), ""),
        ("read", "missing", lambda: Touchy(), ""),
        ("read", "shared", lambda: Touchy, "3"),
        ("write", "full", lambda: Slotted(), "'x'"),
        ("read", "empty", lambda: Slotted(), ""),
        ("read", "name", lambda: {"name": None, "__builtins__": 1}, "None"),
        ("read", "value", lambda: cell(4), "4"),
        ("call", "append", lambda: [1, 2], "[1, 2]"),
        ("call", "len", lambda: [1, 2], "2"),
        ("read item", "", lambda: {"a": [1, {"b": 2}]}, "{'a': [1, {… 1}]}"),
        ("contains", "", lambda: {3}, "{3}"),
        ("call", "clear", lambda: set(), "set()"),
        ("call", "popleft", lambda: deque([1]), "deque([1])"),
        ("read item", "", lambda: defaultdict(int, a=1), "{'a': 1}"),
        ("read item", "", lambda: OrderedDict(a=1), "{'a': 1}"),
        ("read item", "", lambda: Counter("a"), "{'a': 1}"),
        ("call", "get", lambda: object(), ""),
        ("read", "api_key", lambda: {"api_key": "sk-1", "__builtins__": 1}, "(hidden)"),
        ("read", "tokens", lambda: {"tokens": 12, "__builtins__": 1}, "12"),
        (
            "call",
            "get",
            lambda: {"Authorization": "x", "a": 1},
            "{'Authorization': (hidden), 'a': 1}",
        ),
    ],
)
def test_what_is_shown(kind: str, name: str, make: Callable[[], Any], text: str) -> None:
    value = value_of(kind, name, make())
    assert told(value, describe) == text
    assert (value is UNSEEN) == (text == "")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: "x" * 100, "'" + "x" * 38 + "…"),
        (lambda: 1 << 200, "an int of 201 bits"),
        (lambda: list(range(9)), "[0, 1, 2, 3, … 5 more]"),
        (lambda: (1,), "(1,)"),
        (lambda: ["y" * 30, "z" * 30], "['" + "y" * 30 + "', … 1 more]"),
        (lambda: ["y" * 60], "['" + "y" * 38 + "…]"),
        (lambda: Touchy(), "a Touchy"),
        (lambda: [Touchy(), {1: Touchy()}], "[a Touchy, {1: a Touchy}]"),
        (lambda: frozenset(), "frozenset()"),
    ],
)
def test_long_and_foreign_values(make: Callable[[], Any], text: str) -> None:
    assert told(make(), describe) == text


PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats()
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner)
)


@given(NESTED)
def test_it_is_short_and_a_short_value_is_whole(value: Any) -> None:
    text = told(value, describe)
    assert 0 < len(text) < 80
    assert "\n" not in text
    if "…" not in text and "bits" not in text and "nan" not in text and "inf" not in text:
        assert repr(ast.literal_eval(text)) == repr(value)
