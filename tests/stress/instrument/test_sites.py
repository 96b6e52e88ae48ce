"""Sites: one per place, numbered in source order, the same on every Python."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.instrument import instrumented
from stress.site import Site
from tests.stress.instrument.seen import Seen, watch


class Box:
    def __init__(self) -> None:
        self.value = 1


BOX = Box()


def several() -> int:
    first = BOX.value + BOX.value
    return first + BOX.value


def several_after_an_edit() -> int:
    # A comment, another name, another operation: the reads keep their numbers.
    total = BOX.value + BOX.value
    total += len("four")
    return total + BOX.value - 4


def in_finally(fail: bool) -> int:
    with contextlib.suppress(KeyError):
        try:
            if fail:
                raise KeyError
            BOX.value = 1
        finally:
            BOX.value = 2
    return BOX.value


def in_while() -> int:
    while BOX.value:
        BOX.value = BOX.value - 1
    return BOX.value


def exits(way: int) -> str:
    for _ in range(2):
        with contextlib.nullcontext(), contextlib.suppress(KeyError):
            if way == 0:
                return "returned"
            if way == 1:
                break
            if way == 2:
                continue
            if way == 3:
                raise KeyError
    return "done"


def comprehension() -> list[int]:
    first = [BOX.value for _ in range(1)]
    return [*first, BOX.value]


def numbers(seen: Seen, kind: str, name: str) -> list[int]:
    return [site.number for site, _ in seen.events if (site.kind, site.name) == (kind, name)]


def test_numbers_follow_the_source() -> None:
    assert numbers(watch(several), "read", "value") == [0, 1, 2]
    assert numbers(watch(several_after_an_edit), "read", "value") == [0, 1, 2]
    assert numbers(watch(comprehension), "read", "value") == [0, 1]


def test_a_site_says_where_it_is() -> None:
    (site, *_), *_ = watch(several).events
    line = several.__code__.co_firstlineno + 1
    values = [getattr(site, name) for name in Site.__slots__]
    assert values == ["read", "value", "several", __name__, __file__, line, 0]
    assert site != Site("read", "value", "several", __name__, __file__, line, 0)


def test_copies_of_the_same_source_are_one_place() -> None:
    without, failing = watch(in_finally, False), watch(in_finally, True)
    assert numbers(without, "write", "value") == [0, 1]
    assert numbers(failing, "write", "value") == [1]
    BOX.value = 2
    seen = Seen()
    with instrumented((), seen.hooks, in_while):
        in_while()
    assert numbers(seen, "read", "value") == [0, 1, 0, 1, 0, 2]


@pytest.mark.parametrize("way", range(5))
def test_every_way_out_of_a_with_block_is_one_place(way: int) -> None:
    seen = watch(exits, way)
    times = 1 if way < 2 else 2
    assert numbers(seen, "enter", "") == [0, 1] * times
    assert numbers(seen, "exit", "") == [1, 0] * times


def test_sites_stay_the_same_from_block_to_block() -> None:
    def sites() -> list[Site]:
        return [site for site, _ in watch(several).events]

    first, second = sites(), sites()
    assert first == second
    assert len(set(first)) == 3


def without_columns(source: str) -> Any:
    code = compile(source, "made_here.py", "exec")
    names: dict[str, Any] = {"__name__": "made_here"}
    exec(code, names)
    function = names["function"]
    function.__code__ = function.__code__.replace(co_linetable=b"")
    return function


def test_code_without_columns_has_sites_too() -> None:
    function = without_columns("def function(box):\n return box.value + box.value\n")
    assert numbers(watch(function, BOX), "read", "value") == [0, 1]


SOURCE = """
class Store:
    total = 0
    def update(self, names, lock):
        global total
        with lock, self.lock as held:
            for name in self.names:
                if name in names or not self.items:
                    continue
                self.items[name] += 1
        try:
            found = [self.items[n] for n in names if n and self.items]
            total = total + sum(
                self.items[n]
                for n in names
                for _ in self.names
            )
        finally:
            self.items.clear()
        return [lambda: self.items for _ in found], super().update(*names)
"""
#: Kind, name, function below `Store.update`, and number: the same on every Python.
PLACES = """
call clear 0
call sum 0
call update 0
contains - 0
enter - 0
enter - 1
exit - 0
exit - 1
iterate - 0
iterate - 1
iterate - 2
iterate - 3
iterate - 4
iterate - 5
iterate - 6
read clear 0
read item - 0
read item - 1
read item - 2
read item - 3
read item - 4
read items 0
read items 1
read items 2
read items 3
read items 4
read lock 0
read names 0
read total 0
read update 0
write item - 0
write total 0
iterate - 0 .<locals>.<genexpr>
iterate - 1 .<locals>.<genexpr>
iterate - 2 .<locals>.<genexpr>
read item - 0 .<locals>.<genexpr>
read items 0 .<locals>.<genexpr>
read names 0 .<locals>.<genexpr>
read items 0 .<locals>.<lambda>
"""


def test_places_are_the_same_on_every_python() -> None:
    from stress.instrument.rewrite import Rewriter

    found: list[str] = []

    def collect(rewritten: Any) -> None:
        _, places, nested = rewritten
        for kind, name, function, _, number in places:
            assert function.startswith("Store.update")
            found.append(f"{kind} {name or '-'} {number} {function[12:]}".strip())
        for inner in nested.values():
            collect(inner)

    collect(Rewriter(frozenset({"total"})).rewrite(compile(SOURCE, "made_here.py", "exec")))
    assert sorted(set(found)) == sorted(PLACES.strip().splitlines())
