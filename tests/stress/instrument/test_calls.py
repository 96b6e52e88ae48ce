"""Which calls call the hook, and that it is right before they happen."""

from __future__ import annotations

import functools
import io
import sqlite3
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.instrument import Hooks, instrumented
from stress.instrument.method_names import method_names
from tests.stress.instrument.seen import silent, watch

NUMBERS = [1]
LOCK = threading.Lock()


def append_its_length() -> int:
    NUMBERS.append(len(NUMBERS))
    return NUMBERS.pop()


def test_the_hook_is_called_when_the_arguments_are_there() -> None:
    seen = watch(append_its_length)
    assert seen.of("call") == [("call", "len"), ("call", "append"), ("call", "pop")]
    calls = [(callee, argument) for _, (callee, argument) in
             [event for event in seen.events if event[0].kind == "call"]]  # fmt: skip
    assert calls[0] == (len, NUMBERS)
    assert calls[1][0].__self__ is NUMBERS
    assert calls[1][1] == 1
    assert calls[2][0].__self__ is NUMBERS
    assert calls[2][1] is None


def test_the_hook_sees_the_object_before_the_method_changes_it() -> None:
    lengths: list[int] = []

    def call(site: Any, callee: Any, argument: Any) -> None:
        if site.name == "append":
            lengths.append(len(callee.__self__))

    with instrumented((), Hooks(silent, call), append_its_length):
        append_its_length()
    assert lengths == [1]


def every_form(*rest: int, **options: int) -> list[Any]:
    def local(*args: Any, **kwargs: Any) -> int:
        return len(args) + len(kwargs)

    table = {"function": local}
    return [
        local(),
        local(1),
        local(1, key=2),
        local(key=2),
        local(*rest),
        local(1, *rest, **options),
        local(**options),
        table["function"](5),
        (lambda: 1)(),
        sorted([2, 1], key=lambda n: -n),
        max(n if n else 1 for n in rest),
        local([n + 0 for n in rest], local(3 if rest else 4)),
        "".join(str(n) for n in rest),
    ]


def test_every_form_of_a_call() -> None:
    seen = watch(functools.partial(every_form, 7, 8, key=9))
    arguments = [given[1] for site, given in seen.events if (site.name, site.line) and
                 site.kind == "call" and site.name == "local"]  # fmt: skip
    assert arguments == [None, 1, 1, None, None, None, None, 3, [7, 8]]
    assert ("call", "sorted") in seen.of()
    assert ("call", "") in seen.of()
    assert [argument for site, (_, argument) in
            [event for event in seen.events if event[0].kind == "call"]
            if site.name == ""] == [5]  # fmt: skip


def decorate(function: Any) -> Any:
    return function


def decorated() -> int:
    @decorate
    @functools.lru_cache(maxsize=3)
    def inner() -> int:
        return 3

    @decorate
    class Made:
        value = 4

    return inner() + Made.value


def test_decorators() -> None:
    calls = watch(decorated).of("call")
    assert calls.count(("call", "decorate")) == 2
    assert ("call", "inner") in calls


class Lamp:
    def turn_on(self) -> str:
        return "on"


LAMP = Lamp()


def locked() -> str:
    LOCK.acquire()
    LOCK.release()
    with LOCK:
        return LAMP.turn_on()


def test_methods_of_other_names_have_their_object_seen_by_the_access_hook() -> None:
    seen = watch(locked)
    assert [callee.__self__ for callee in seen.subjects("call", "acquire")] == [LOCK]
    assert seen.of("call") == [("call", "acquire"), ("call", "release")]
    assert seen.subjects("read", "turn_on") == [LAMP]
    assert seen.of("enter", "exit") == [("enter", ""), ("exit", "")]


class Derived(list):  # type: ignore[type-arg]
    def append(self, value: int) -> None:
        super().append(value)
        super(Derived, self).append(value)  # noqa: UP008


def derive() -> int:
    made = Derived()
    made.append(1)
    return len(made)


def test_methods_of_a_container_by_super() -> None:
    seen = watch(derive, module=__name__)
    owners = [callee.__self__ for callee in seen.subjects("call", "append")]
    assert owners == [[1, 1]] * 3
    assert len({id(owner) for owner in owners}) == 1


def fails_in_call() -> None:
    NUMBERS.append(1, 2)  # type: ignore[call-arg]


def missing_method() -> None:
    NUMBERS.appendix.append(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("function", [fails_in_call, missing_method])
def test_errors_are_the_same(function: Any) -> None:
    def error() -> str:
        with pytest.raises((TypeError, AttributeError)) as info:
            function()
        return repr(info.value)

    expected = error()
    with instrumented((), Hooks(silent, silent), function):
        assert error() == expected


def test_what_a_hook_raises_is_raised_at_the_operation() -> None:
    def refuse(site: Any, *_: object) -> None:
        raise PermissionError(site.name)

    with instrumented((), Hooks(silent, refuse), append_its_length):
        with pytest.raises(PermissionError, match="len"):
            append_its_length()
    assert NUMBERS == [1]


def test_names_of_methods_are_computed() -> None:
    names = method_names()
    for made in (list, dict, set, deque, OrderedDict, defaultdict, Counter, bytearray,
                 io.TextIOWrapper, io.BytesIO, sqlite3.Connection, sqlite3.Cursor):  # fmt: skip
        assert {n for n in dir(made) if not n.startswith("_") and callable(getattr(made, n))} <= (
            names
        )
    assert {"append", "sendall", "execute", "write", "setdefault", "popleft"} <= names
    assert "turn_on" not in names
