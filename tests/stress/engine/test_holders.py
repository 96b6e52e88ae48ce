"""Who took something by name is found, also when what a module was is remembered."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from stress.engine.holders import Holders

STAND_IN = object()


@pytest.fixture
def modules() -> Iterator[list[ModuleType]]:
    made = [ModuleType(f"of_the_test_{number}") for number in range(2)]
    sys.modules.update({module.__name__: module for module in made})
    yield made
    for module in made:
        del sys.modules[module.__name__]


def sleepers(holders: Holders) -> set[str]:
    """Modules of this test that have the real `sleep` by any name."""
    found = holders.find([(time.sleep, STAND_IN)])
    assert all(
        stand_in is STAND_IN and names[name] is time.sleep for names, name, stand_in in found
    )
    return {str(names["__name__"]) for names, _, _ in found} & set(
        map("of_the_test_{}".format, "01")
    )


def function() -> None:
    """Of the type that `sleep` is not."""


class Sleeper:
    """Of the type of a class, as locks of later Pythons are."""


def bound(module: ModuleType, value: Any) -> None:
    vars(module)["nap"] = value


@pytest.mark.parametrize(
    "before", [None, function, len, Sleeper], ids=["nothing", "function", "builtin", "class"]
)
def test_what_is_bound_later_is_found(modules: list[ModuleType], before: Any) -> None:
    """To what it was bound before, of the same type or another, is no matter."""
    holders = Holders()
    bound(modules[0], before)
    assert sleepers(holders) == set()
    assert sleepers(holders) == set()
    bound(modules[0], time.sleep)
    assert sleepers(holders) == {"of_the_test_0"}
    bound(modules[0], before)
    assert sleepers(holders) == set()


def test_a_new_name_is_found(modules: list[ModuleType]) -> None:
    holders = Holders()
    assert sleepers(holders) == set()
    bound(modules[1], time.sleep)
    assert sleepers(holders) == {"of_the_test_1"}


def test_who_has_it_by_turns_is_found(modules: list[ModuleType]) -> None:
    """As with something that a test puts in the place of one, and then in the place of the other:
    there are as many references as before."""
    holders, kept = Holders(), [time.sleep]
    bound(modules[0], function)
    bound(modules[1], time.sleep)
    assert sleepers(holders) == {"of_the_test_1"}
    assert sleepers(holders) == {"of_the_test_1"}
    kept.clear()
    bound(modules[0], time.sleep)
    assert sleepers(holders) == {"of_the_test_0", "of_the_test_1"}


def test_a_module_in_the_place_of_another_is_found(modules: list[ModuleType]) -> None:
    holders, kept = Holders(), [time.sleep]
    bound(modules[0], len)
    assert sleepers(holders) == set()
    other = ModuleType("of_the_test_0")
    bound(other, kept.pop())
    sys.modules["of_the_test_0"] = other
    assert sleepers(holders) == {"of_the_test_0"}


def test_other_things_may_be_looked_for(modules: list[ModuleType]) -> None:
    holders = Holders()
    bound(modules[0], time.sleep)
    find: Callable[..., Any] = holders.find
    assert not any(names is vars(modules[0]) for names, _, _ in find([(time.monotonic, STAND_IN)]))
    assert sleepers(holders) == {"of_the_test_0"}
