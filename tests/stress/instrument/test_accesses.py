"""Which operations call the access hook, in which order, with which object."""

from __future__ import annotations

import contextlib
import sys
from types import CellType
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.instrument import instrumented
from tests.stress.instrument.seen import Seen, watch


class Box:
    __slots__ = ("items", "value")
    shared = 0

    def __init__(self) -> None:
        self.value = 1
        self.items = [1, 2]


class Matched:
    __match_args__ = ("first",)

    def __init__(self, first: int, second: int) -> None:
        self.first = first
        self.second = second


BOX = Box()
MATCHED = Matched(1, 2)
NUMBERS = [3, 4]


def attributes() -> int:
    BOX.value += 1
    BOX.items = [1]
    del BOX.items
    Box.shared = BOX.value
    return Box.shared - BOX.value


def subscripts() -> int:
    numbers = [1, 2, 3]
    numbers[0] += 5
    numbers[1:] = [1, 1]
    del numbers[1]
    del numbers[1:]
    return numbers[0] + sum(numbers[:1])


def membership() -> tuple[bool, bool]:
    return 3 in NUMBERS, 3 not in NUMBERS


def loop() -> int:
    total = 0
    for number in NUMBERS:
        total = total + number
    return total


def comprehensions() -> Any:
    return [n + 1 for n in NUMBERS], {n + 1 for n in NUMBERS}, {n: n for n in NUMBERS}


def generator_expression() -> list[int]:
    return sorted(n for n in NUMBERS)


def delegation() -> list[int]:
    def inner() -> Any:
        yield from NUMBERS

    return sorted(inner())


def unpacking() -> Any:
    first, second = NUMBERS
    head, *tail = NUMBERS
    return first, second, head, tail, [*NUMBERS], {*NUMBERS}, (*NUMBERS, 1), {**vars(MATCHED)}


def emptiness() -> str:
    if NUMBERS and BOX.value == 100:
        return "other"
    return "empty" if not NUMBERS else "full"


def in_place() -> list[int]:
    numbers = [1]
    more = [2]
    numbers += more
    count = 0
    count += 1
    return numbers


def matching() -> Any:
    found: list[Any] = []
    match MATCHED:
        case Matched(1, second=number):
            found.append(number)
    match NUMBERS:
        case [first, second]:
            found.append((first, second))
    match {"key": 1}:
        case {"key": value, **rest}:
            found.append((value, rest))
    return found


@contextlib.contextmanager
def manager() -> Any:
    yield "entered"


def with_block() -> str:
    with manager() as entered:
        return str(entered)


def with_block_that_fails() -> str:
    with contextlib.suppress(KeyError):
        raise KeyError
    return "suppressed"


def test_attributes() -> None:
    seen = watch(attributes)
    assert seen.of() == [
        ("read", "value"), ("write", "value"), ("write", "items"), ("delete", "items"),
        ("read", "value"), ("write", "shared"), ("read", "shared"), ("read", "value"),
    ]  # fmt: skip
    assert seen.subjects("write", "shared") == [Box]
    assert all(subject is BOX for subject in seen.subjects("read", "value"))


def test_subscripts() -> None:
    assert watch(subscripts).of() == [
        ("read item", ""), ("write item", ""), ("write item", ""), ("delete item", ""),
        ("delete item", ""), ("read item", ""), ("read item", ""), ("call", "sum"),
    ]  # fmt: skip


def test_membership() -> None:
    seen = watch(membership)
    assert seen.of() == [("contains", ""), ("contains", "")]
    assert all(subject is NUMBERS for subject in seen.subjects("contains"))


def test_every_step_of_a_loop() -> None:
    subjects = watch(loop).subjects("iterate")
    assert subjects[0] is NUMBERS
    assert [type(subject).__name__ for subject in subjects[1:]] == ["list_iterator"] * 3


def test_comprehensions_belong_to_the_function_around_them() -> None:
    seen = watch(comprehensions)
    assert {site.function for site, _ in seen.events} == {"comprehensions"}
    assert sorted({site.number for site, _ in seen.events}) == list(range(6))
    assert len(seen.of("iterate")) == 3 * (1 + 3)


def test_generators() -> None:
    seen = watch(generator_expression)
    assert seen.of("iterate") == [("iterate", "")] * 4
    assert {site.function for site, _ in seen.events} == {
        "generator_expression", "generator_expression.<locals>.<genexpr>",
    }  # fmt: skip
    assert watch(delegation).subjects("iterate") == [NUMBERS]


def test_unpacking() -> None:
    seen = watch(unpacking)
    assert [subject for subject in seen.subjects("iterate") if subject is not NUMBERS] == [
        vars(MATCHED)
    ]
    assert len(seen.subjects("iterate")) == 6


def test_whether_a_container_is_empty() -> None:
    seen = watch(emptiness)
    assert seen.of("read item") == [("read item", "")] * 2
    assert [site.number for site, _ in seen.events if site.kind == "read item"] == [0, 1]


def test_in_place_operators_write_what_they_change() -> None:
    assert watch(in_place).of() == [("write item", "")]


def test_matching() -> None:
    seen = watch(matching)
    of_matching = [event for event in seen.of() if event[1] != "append"]
    assert of_matching[:2] == [("read", ""), ("read", "second")]
    assert seen.subjects("read", "second") == [MATCHED]
    assert [subject is NUMBERS for subject in seen.subjects("iterate")].count(True) == 2
    assert seen.subjects("read item") == [{"key": 1}]


def test_with_blocks() -> None:
    seen = watch(with_block)
    assert seen.of("enter", "exit") == [("enter", ""), ("exit", "")]
    (leaving,) = seen.subjects("exit")
    assert leaving.__self__ is seen.subjects("enter")[0]
    seen = watch(with_block_that_fails)
    assert seen.of("enter", "exit") == [("enter", ""), ("exit", "")]


async def coroutine() -> int:
    async with contextlib.AsyncExitStack():
        return BOX.value


async def asynchronous() -> list[int]:
    async def numbers() -> Any:
        for number in NUMBERS:
            yield number

    return [n async for n in numbers() if n]


def send_all(running: Any) -> Any:
    with pytest.raises(StopIteration) as stop:
        running.send(None)
    return stop.value.value


def test_coroutines_go_on_as_they_were() -> None:
    BOX.value = 7
    for function in (coroutine, asynchronous):
        seen = Seen()
        expected = send_all(function())
        with instrumented((), seen.hooks, function):
            assert send_all(function()) == expected
        assert seen.of("enter", "exit") == []
        assert seen.events


def in_class_body() -> tuple[int, list[int]]:
    class Made:
        name = 1
        table = [name]  # noqa: RUF012

    return Made.name, Made.table


def test_names_of_a_class_body_are_local() -> None:
    assert watch(in_class_body).of() == [("read", "name"), ("read", "table")]


total = 0
quiet = 0


def write_global() -> int:
    global total
    total = 1
    return total + quiet + len("no access")


def delete_global() -> None:
    global total
    del total


def read_from_elsewhere() -> int:
    return total


def test_globals_that_some_function_assigns() -> None:
    seen = watch(write_global)
    assert seen.of() == [("write", "total"), ("read", "total"), ("call", "len")]
    assert seen.subjects("write", "total") == [globals()]
    assert seen.subjects("write", "total")[0] is globals()
    # That another function of the module assigns it is enough.
    assert watch(read_from_elsewhere).of() == [("read", "total")]
    seen = Seen()
    with instrumented((), seen.hooks, delete_global):
        delete_global()
    write_global()
    assert seen.of() == [("delete", "total")]


def counting(start: int) -> list[int]:
    count, silent, late = start, 5, 1

    def work() -> int:
        nonlocal count
        count += silent
        return count + late + start

    late = 2
    return [work(), count]


def looping() -> list[int]:
    made = []
    for number in range(3):
        made.append(lambda: number)  # noqa: B023
    return [function() for function in made]


def caught() -> str:
    try:
        raise KeyError("key")
    except KeyError as error:  # noqa: F841

        def shown() -> str:
            return str(error)  # noqa: F821

        return shown()


def local_recursion() -> int:
    def countdown(number: int) -> int:
        return number and countdown(number - 1)

    return countdown(2)


def only_comprehensions() -> list[int]:
    number = 1
    number += 1
    return [number for _ in range(2)] + [sum([number for _ in range(2)]) for _ in range(2)]


def test_closure_variables_that_can_change() -> None:
    seen = watch(counting, 1)
    names = {name for kind, name in seen.of("read", "write")}
    assert names == {"count", "late"}
    assert seen.of("write") == [
        ("write", "count"), ("write", "late"), ("write", "late"), ("write", "count"),
    ]  # fmt: skip
    assert all(isinstance(cell, CellType) for cell in seen.subjects("read", "count"))
    assert len(set(map(id, seen.subjects("read", "count") + seen.subjects("write", "count")))) == 1
    assert watch(looping).of("write") == [("write", "number")] * 3
    assert watch(caught).of("write", "delete", "read")[:2] == [
        ("write", "error"), ("read", "error"),
    ]  # fmt: skip
    assert ("read", "countdown") in watch(local_recursion).of()


def test_variables_of_comprehensions_are_no_closure_variables() -> None:
    assert watch(only_comprehensions).of("read", "write") == []


def made_before() -> Any:
    count = 0

    def work() -> int:
        nonlocal count
        count += 1
        return count

    return work


def test_a_closure_that_was_there_before() -> None:
    work = made_before()
    work()
    seen = Seen()
    with instrumented((__name__,), seen.hooks):
        assert work() == 2
    assert seen.of() == [("read", "count"), ("write", "count"), ("read", "count")]
    assert seen.subjects("write", "count") == [work.__closure__[0]]


def test_class_attributes_named_by_super() -> None:
    class Base:
        def __init__(self) -> None:
            self.items: list[int] = []

    class Derived(Base):
        def __init__(self) -> None:
            super().__init__()
            super().items = [1] if False else self.items  # type: ignore[misc]

    def make() -> str:
        with contextlib.suppress(AttributeError):
            Derived()
        return "made"

    seen = watch(make, module=__name__)
    assert ("read", "__init__") in seen.of()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with 3.12")
def test_type_parameters() -> None:
    source = """
class Pair[T]:
    kind = 1
    def first(self, value: T) -> T:
        self.value = value
        return self.value
def function[T: int, *Ts](value: T = 1) -> T:
    return Pair[T]().first(value)
type Alias[T] = list[T]
"""
    names: dict[str, Any] = {"__name__": "made_here"}
    exec(source, names)
    assert watch(names["function"], 4, module="made_here").of("write") == [("write", "value")]
