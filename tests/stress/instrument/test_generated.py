"""Generated functions do the same with hooks as without: results, errors, lines, in that order."""

from __future__ import annotations

import os
import random
import re
import sys
import warnings
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from stress.instrument import Hooks, instrumented
from tests.stress.instrument.generated import Writer

EXAMPLES = 3000 if os.environ.get("STRESS_WIDE") else 40


class Box:
    def __init__(self) -> None:
        self.x = 1
        self.y = [2]
        self.items: list[Any] = [1, 2, 3]

    def method(self, value: Any, key: Any = None) -> Any:
        return [value, key]

    def get(self, value: Any) -> Any:
        return self.__dict__.get(value, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(vars(self))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and other.x is self.x

    __hash__ = None  # type: ignore[assignment]


class Manager:
    def __init__(self, log: list[Any], suppresses: bool = False) -> None:
        self.log = log
        self.suppresses = suppresses

    def __enter__(self) -> Box:
        self.log.append("entered")
        return Box()

    def __exit__(self, kind: Any, *_: object) -> bool:
        self.log.append(("left", kind))
        return self.suppresses


def take(*args: Any, **kwargs: Any) -> Any:
    return [args, kwargs]


def decorate(function: Any) -> Any:
    return function


def run(code: CodeType, hooks: Hooks | None) -> tuple[str, list[tuple[str, int]]]:
    """What a module's `function` returns or raises, and the lines on the way there."""
    log: list[Any] = []
    names: dict[str, Any] = {
        "__name__": "generated", "log": log, "Box": Box, "Manager": Manager, "take": take,
        "decorate": decorate,
    }  # fmt: skip
    exec(code, names)
    lines: list[tuple[str, int]] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != code.co_filename:
            return None
        lines.append((event, frame.f_lineno))
        return trace

    def result() -> str:
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return without_addresses(names["function"](Box(), Box()))
        except Exception as error:
            return without_addresses((type(error), error, log, names.get("total")))
        finally:
            sys.settrace(before)

    if hooks is None:
        return result(), lines
    with instrumented(("generated",), hooks) as made:
        # A name of the class body and of the function around it, in the body of a class.
        assert all("both of this function" in reason for _, reason in made.refused)
        return result(), lines


def written(source_of_choices: random.Random, size: int) -> tuple[str, CodeType]:
    """Source and code of a module. What the grammar does not know to be wrong is left out."""
    while True:
        source = Writer(source_of_choices, size).source()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            with suppress(SyntaxError):
                return source, compile(source, "generated.py", "exec")


def without_addresses(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.slow
@pytest.mark.timeout(3600 if os.environ.get("STRESS_WIDE") else 120)
@pytest.mark.usefixtures("no_cache")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    database=None,
    derandomize=not os.environ.get("STRESS_WIDE"),
)
@given(seed=st.integers(0, 2**64), size=st.integers(1, 40))
def test_the_same_with_and_without_hooks(seed: int, size: int) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    source, code = written(random.Random(seed), size)
    assert run(code, Hooks(count, count)) == run(code, None), source
    event("no hook was called" if not calls else "hooks were called")


def test_the_writer_writes_all_syntax() -> None:
    whole = "".join(Writer(random.Random(seed), 40).source() for seed in range(100))
    for word in ("yield from", "except*", "finally", "case {", "nonlocal", "lambda", ":=", "**{",
                 "super()", "@decorate", "while", "else:", "del ", "f'", "with "):  # fmt: skip
        assert word in whole
