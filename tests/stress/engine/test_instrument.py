"""Instrumented code does what it did, says where it is, and is put back."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import traceback
import unittest
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.engine.instrument import instrument, instrumented
from tests.stress.engine.hooks import Seen, nothing


def accesses(function: Callable[..., Any], *arguments: Any) -> list[tuple[str, str]]:
    """What a function touches, in order, while it returns what it ever did."""
    seen = Seen()
    expected = function(*arguments)
    with instrumented((__name__,), seen):
        result = function(*arguments)
    assert result == expected
    return seen.accesses


class Box:
    def __init__(self) -> None:
        self.value = 1
        self.items = [1, 2]


def attributes() -> int:
    box = Box()
    box.value += 1
    del box.items
    return box.value


def items() -> list[int]:
    numbers = [1, 2, 3]
    numbers[0] += 5
    del numbers[1]
    return numbers if 3 in numbers else []


def loops() -> int:
    return sum(number for number in [1, 2]) + max([n + 1 for n in (3, 4)])


def cells() -> int:
    count, quiet = 0, 5

    def work() -> int:
        nonlocal count
        count += quiet
        return count

    return work()


shared_total = 0


def globals_() -> int:
    global shared_total
    shared_total = 1
    return shared_total + len("no access")


def branches(number: int) -> str:
    box = Box()
    while number:
        if number % 2:
            number -= box.value
            continue
        number //= 2
        try:
            box.missing  # noqa: B018
        except AttributeError:
            pass
        else:
            raise AssertionError
    else:
        return "done"


def test_what_is_seen() -> None:
    assert accesses(attributes) == [
        ("write", "value"), ("write", "items"),
        ("read", "value"), ("write", "value"), ("write", "items"), ("read", "value"),
    ]  # fmt: skip
    assert [kind for kind, _ in accesses(items)] == [
        "read item", "write item", "write item", "read item",
    ]  # fmt: skip
    assert accesses(globals_) == [("write", "shared_total"), ("read", "shared_total")]
    assert ("write", "count") in accesses(cells)
    assert len(accesses(loops)) >= 6
    assert accesses(branches, 6).count(("read", "missing")) == 2


async def coroutine() -> int:
    async with contextlib.AsyncExitStack():
        return Box().value


def generator() -> Iterator[int]:
    box = Box()
    for number in box.items:
        got = yield number + box.value
        box.value += got or 0


def test_coroutines_and_generators() -> None:
    seen = Seen()
    with instrumented((__name__,), seen):
        started = coroutine()
        with pytest.raises(StopIteration) as stop:
            started.send(None)
        assert stop.value.value == 1
        running = generator()
        assert (next(running), running.send(10)) == (2, 13)
        running.close()
    assert ("read", "value") in seen.accesses


def fails() -> None:
    box = Box()
    table = {
        "first": box.value,
        "second": box.items[5],
    }
    raise AssertionError(table)


def test_tracebacks_are_the_same() -> None:
    def shown() -> list[str]:
        try:
            fails()
        except IndexError as error:
            return traceback.format_exception(error)[-3:]
        raise AssertionError

    plain = shown()
    with instrumented((__name__,), nothing):
        assert shown() == plain
    assert any('"second": box.items[5]' in line for line in plain)


def test_functions_get_their_own_code_back() -> None:
    def local() -> int:
        return Box().value

    before = (attributes.__code__, Box.__init__.__code__, local.__code__)
    with suppress(KeyError), instrumented((__name__,), nothing) as count:
        assert count > 10
        assert attributes.__code__ is not before[0]
        assert local.__code__ is not before[2]
        raise KeyError
    assert (attributes.__code__, Box.__init__.__code__, local.__code__) == before
    assert attributes.__code__ is before[0]


def test_signatures_stay() -> None:
    def function(a: int, /, b: str = "x", *rest: int, c: bool, **more: int) -> None:
        more["a"] = a

    code = instrument(function.__code__, nothing, ())
    names = ("co_name", "co_varnames", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount",
             "co_flags", "co_filename", "co_firstlineno", "co_freevars", "co_cellvars",
             "co_qualname")  # fmt: skip
    assert {n: getattr(code, n) for n in names} == {n: getattr(function.__code__, n) for n in names}
    assert inspect.signature(function).parameters.keys() == {"a", "b", "rest", "c", "more"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "tests"),
    [
        ("json", "test.test_json"),
        ("collections", "test.test_userlist"),
        ("collections", "test.test_ordered_dict"),
        ("dataclasses", "test.test_dataclasses"),
        ("contextlib", "test.test_contextlib"),
        ("textwrap", "test.test_textwrap"),
        ("heapq", "test.test_heapq"),
    ],
)
def test_the_standard_library_passes_its_own_tests(module: str, tests: str) -> None:
    tested = pytest.importorskip(tests, reason="this Python comes without its tests")
    target = importlib.import_module(module)
    seen = Seen()

    def run() -> tuple[int, list[str]]:
        suite = unittest.defaultTestLoader.loadTestsFromModule(tested)
        result = unittest.TestResult()
        suite.run(result)
        return result.testsRun, sorted(str(case) for case, _ in result.failures + result.errors)

    plain = run()
    with instrumented((target.__name__,), seen):
        again = run()
    assert again == plain
    assert plain[0] > 10
    assert len(seen.accesses) > 100
