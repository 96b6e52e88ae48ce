"""A function with hooks is in all that can be seen from outside what it is without them."""

from __future__ import annotations

import contextlib
import inspect
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.instrument import instrumented
from tests.stress.instrument.seen import SILENT


class Box:
    """With a docstring."""

    def __init__(self, value: int = 1) -> None:
        self.value = value
        self.items = [1, 2]

    def method(self, a: int, /, b: str = "x", *rest: int, c: bool = True, **more: int) -> Any:
        """Also with one."""
        more["a"] = a
        return sorted(locals())

    def without(self) -> str:
        return "no docstring"


def fails_in_item() -> None:
    box = Box()
    table = {
        "first": box.value,
        "second": box.items[5],
    }
    raise AssertionError(table)


def fails_in_call() -> None:
    box = Box()
    box.items.append(
        box.items.index(box.value + 41)
    )  # fmt: skip


def fails_in_loop() -> None:
    for first, second in zip([1, 2], [3], strict=True):
        assert first + second


def fails_in_unpacking() -> None:
    first, second = Box().items, Box().missing  # type: ignore[attr-defined]
    assert first, second


def fails_in_with() -> None:
    with contextlib.nullcontext(Box()) as box, contextlib.suppress(KeyError):
        box.value += box.items  # type: ignore[operator]


def fails_in_comprehension() -> None:
    assert [box.value + "" for box in (Box(), Box())]  # type: ignore[operator]


def fails_twice() -> None:
    try:
        fails_in_item()
    except IndexError as error:
        raise ValueError("again") from error
    finally:
        Box().value += 1


def fails_in_group() -> None:
    try:
        raise ExceptionGroup("all", [KeyError(1), ValueError(2)])
    except* KeyError:
        Box().value += 1


def fails_in_generator() -> None:
    def numbers() -> Iterator[int]:
        box = Box()
        try:
            yield from box.items
        finally:
            box.value //= 0

    for _ in numbers():
        pass


FAILING = [
    fails_in_item, fails_in_call, fails_in_loop, fails_in_unpacking, fails_in_with,
    fails_in_comprehension, fails_twice, fails_in_group, fails_in_generator,
]  # fmt: skip


def shown(function: Callable[[], None]) -> list[str]:
    """The traceback, with columns, below this function."""
    try:
        function()
    except Exception as error:
        below = error.__traceback__.tb_next if error.__traceback__ else None
        return traceback.format_exception(type(error), error, below)
    raise AssertionError


@pytest.mark.parametrize("function", FAILING)
def test_tracebacks_are_the_same(function: Callable[[], None]) -> None:
    plain = shown(function)
    with instrumented((__name__,), SILENT):
        assert shown(function) == plain


def test_tracebacks_have_columns() -> None:
    assert any("~" in line for line in shown(fails_in_item))


def lines(function: Callable[[], Any]) -> list[tuple[str, str, int]]:
    """What a tracer sees of the functions of this file: every event, in order."""
    seen: list[tuple[str, str, int]] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != __file__:
            return None
        seen.append((event, frame.f_code.co_qualname, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(Exception):
            function()
    finally:
        sys.settrace(before)
    return seen


def loops() -> int:
    box, total = Box(3), 0
    while box.value:
        box.value -= 1
        if box.value == 1:
            continue
        for number in box.items:
            total += number
            if total > 4:
                break
        else:
            total += 1
    return total + sum(
        number
        for number in box.items
    )  # fmt: skip


def tries() -> int:
    box = Box()
    try:
        try:
            box.items[7]
        except IndexError:
            box.value = 2
        else:
            box.value = 3
        finally:
            box.value += 1
    except Exception:
        raise
    with contextlib.suppress(KeyError):
        raise KeyError
    return box.value


def matches() -> int:
    match Box().items:
        case [1, 3]:
            return 1
        case [1, *rest] if rest:
            return rest[0]
    return 0


def makes_class() -> Any:
    class Made:
        items = [1]  # noqa: RUF012
        items.append(
            2
        )  # fmt: skip

        def get(self) -> Any:
            return self.items

    return Made().get()


@pytest.mark.parametrize("function", [loops, tries, matches, makes_class, *FAILING])
def test_tracers_see_the_same_lines(function: Callable[[], Any]) -> None:
    plain = lines(function)
    with instrumented((__name__,), SILENT):
        # The tracer is of this module too.
        traced = lines(function)
    assert traced == plain
    assert len(plain) > 3


ATTRIBUTES = (
    "co_name", "co_qualname", "co_filename", "co_firstlineno", "co_varnames", "co_freevars",
    "co_cellvars", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags",
    "co_nlocals",
)  # fmt: skip


def test_what_is_known_of_a_function_stays() -> None:
    def facts() -> list[Any]:
        functions = [Box.method, Box.__init__, Box.without, fails_twice, makes_class]
        return [
            [getattr(function.__code__, name) for name in ATTRIBUTES]
            + [set(function.__code__.co_names), function.__doc__, function.__name__]
            + [inspect.signature(function), inspect.getsource(function)]
            + [inspect.getclosurevars(function), pickle.dumps(function)]
            + [function.__defaults__, function.__kwdefaults__, function.__annotations__]
            for function in functions
        ]

    plain = facts()
    with instrumented((__name__,), SILENT):
        assert facts() == plain


def test_functions_made_within_a_block_know_the_same_of_themselves() -> None:
    def make() -> list[Any]:
        def first() -> str:
            """A docstring."""
            return "text"

        def second() -> str:
            return "text"

        third = lambda: "text"  # noqa: E731

        class Made:
            """Of a class."""

            def method(self) -> str:
                return "text"

        functions = [first, second, third, Made.method]
        return [
            Made.__doc__,
            *[(f.__doc__, f.__qualname__, f.__name__, f.__code__.co_flags) for f in functions],
        ]

    plain = make()
    with instrumented((), SILENT, make):
        assert make() == plain
    assert plain[0] == "Of a class."
    assert [entry[0] for entry in plain[1:]] == ["A docstring.", None, None, None]


def test_locals_come_in_the_same_order() -> None:
    def function(a: int, *, b: int = 2) -> list[str]:
        z = y = x = 1
        (lambda: (a, y))()
        assert z
        assert x
        return list(locals())

    plain = function(1)
    with instrumented((), SILENT, function):
        assert function(1) == plain


def many_names() -> Any:
    """A function so large that jumps, names and constants need more than a byte."""
    body = "".join(
        f"    if box.value == {number}: box.name_{number} = [{number}, 'text {number}']\n"
        f"    for number_{number} in box.items: total += len(str(number_{number}))\n"
        for number in range(400)
    )
    source = f"def function(box):\n    total = 0\n{body}    return total, sorted(vars(box))\n"
    names: dict[str, Any] = {"__name__": "made_here"}
    exec(compile(source, "made_here.py", "exec"), names)
    return names["function"]


def test_a_large_function() -> None:
    function = many_names()
    plain = function(Box(300))
    with instrumented((), SILENT, function) as made:
        assert made.functions == 1
        assert function(Box(300)) == plain
    assert made.refused == []


def far_to_the_right(box: Box) -> Any:
    # fmt: off
    first =                                                                                                                                          box.value  # noqa: E501
    second =                                                                                                                                        (box.value,  # noqa: E501
                                                                                                                                                     box.items)
    # fmt: on
    return first, second


def test_columns_far_to_the_right() -> None:
    """The library below writes a table for these that is read past its end."""

    def places() -> list[Any]:
        code = far_to_the_right.__code__
        return list(dict.fromkeys(zip(code.co_positions(), strict=True)))

    plain = places()
    with instrumented((), SILENT, far_to_the_right):
        code = far_to_the_right.__code__
        assert places() == plain
        assert max(end for _, end, _ in code.co_lines()) == len(code.co_code)
    assert any(place[0][2] > 140 for place in plain if place[0][2])
