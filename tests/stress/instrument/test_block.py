"""What carries hooks within a block, and that all has its own code back after it."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import opcode
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.errors import InvalidArgument
from stress.instrument import Hooks, instrumented
from tests.stress.instrument.seen import SILENT, Seen, silent

REGISTRY: dict[str, Callable[..., Any]] = {}


def register(function: Callable[..., Any]) -> None:
    REGISTRY[function.__name__] = function


@register
def registered(box: Any) -> int:
    return box.value


class Box:
    value = 1
    doubled = property(lambda self: 2 * self.value)

    def method(self) -> int:
        return self.value

    @classmethod
    def of_class(cls) -> int:
        return cls.value

    @staticmethod
    def of_nothing() -> int:
        return Box.value


del register

make_lambda: Any = lambda: lambda box: box.value  # noqa: E731
made_before = make_lambda()


def codes() -> dict[int, tuple[FunctionType, CodeType]]:
    return {id(f): (f, f.__code__) for f in gc.get_objects() if type(f) is FunctionType}


def assert_unchanged(before: dict[int, tuple[FunctionType, CodeType]]) -> None:
    assert [f for f, code in before.values() if f.__code__ is not code] == []


def test_functions_wherever_they_are() -> None:
    seen = Seen()
    box = Box()
    before = codes()
    with instrumented((__name__,), seen.hooks) as made:
        for function in (
            functools.partial(REGISTRY["registered"], box), box.method, Box.of_class,
            Box.of_nothing, lambda: box.doubled, functools.partial(made_before, box),
            functools.partial(make_lambda(), box),
        ):  # fmt: skip
            seen.events.clear()
            function()
            assert ("read", "value") in seen.of()
        assert made.functions > 10
        assert made.missing == frozenset()
    assert made.functions == 0
    assert_unchanged(before)


def test_functions_made_within_the_block_get_their_own_code_back() -> None:
    seen = Seen()
    (original,) = [c for c in make_lambda.__code__.co_consts if isinstance(c, CodeType)]
    with instrumented((__name__,), seen.hooks):
        function = make_lambda()
        assert function.__code__ is not original
    assert function.__code__ is original
    seen.events.clear()
    function(Box())
    assert seen.events == []


def test_also_when_the_block_fails() -> None:
    before, path = codes(), list(sys.meta_path)
    with contextlib.suppress(KeyError), instrumented((__name__,), SILENT):
        raise KeyError
    assert_unchanged(before)
    assert sys.meta_path == path


def counter(box: Any) -> Iterator[int]:
    while True:
        box.value += 1
        yield box.value


def test_generators_go_on() -> None:
    box = Box()
    started_before = counter(box)
    next(started_before)
    seen = Seen()
    with instrumented((__name__,), seen.hooks):
        started_within = counter(box)
        assert (next(started_before), next(started_within)) == (3, 4)
        assert ("write", "value") in seen.of()
    assert (next(started_before), next(started_within)) == (5, 6)


class Callable_:
    def __call__(self) -> int:
        return Box.value

    def method(self) -> int:
        return Box.value


def program() -> int:
    return Box.value


@functools.wraps(program)
def wrapping() -> int:
    return Box.value


@pytest.mark.parametrize(
    "program",
    [
        program,
        wrapping,
        functools.partial(functools.partial(program)),
        Callable_(),
        Callable_().method,
        functools.lru_cache(program),
        staticmethod(program),
    ],
    ids=["function", "wrapper", "partial", "object", "method", "cached", "static"],
)
def test_the_program_always_carries_hooks(program: Any) -> None:
    seen = Seen()
    before = codes()
    with instrumented(("json.decoder",), seen.hooks, program):
        program()
        json.loads("1")
    assert ("read", "value") in seen.of()
    assert_unchanged(before)


def test_a_program_of_another_language_has_none() -> None:
    with instrumented((), SILENT, len) as made:
        assert made.functions == 0
    assert made.missing == frozenset()


def test_the_hooks_carry_none() -> None:
    calls = []

    def access(site: Any, subject: Any, key: object = None) -> None:
        calls.append(subject.__class__)

    with instrumented((__name__,), Hooks(access, silent)):
        Box().method()
    assert Box in calls


def test_modules_that_were_never_found() -> None:
    with instrumented(("json.decoder", "no_such_module", "json.no"), SILENT) as made:
        assert made.missing == {"no_such_module", "json.no"}


def test_the_harness_carries_none_but_what_it_runs_does() -> None:
    importlib.import_module("stress.workloads.endpoint")

    code = instrumented.__wrapped__.__code__
    with instrumented(("stress",), SILENT) as made:
        assert instrumented.__wrapped__.__code__ is code
        assert made.functions > 0
        modules = {f.__module__ for f, _ in codes().values() if f.__code__.co_flags and
                   made._bound.original_of(f.__code__)}  # fmt: skip
    assert all(module.startswith(("stress.workloads", "stress.mutants")) for module in modules)
    assert "stress.workloads.endpoint" in modules


def test_one_name_is_not_a_collection() -> None:
    with pytest.raises(InvalidArgument, match="tuple"), instrumented("json", SILENT):
        raise AssertionError


def test_blocks_may_be_nested() -> None:
    outer, inner = Seen(), Seen()
    before = codes()
    with instrumented((), outer.hooks, program):
        with instrumented((), inner.hooks, program):
            program()
        assert outer.of() == inner.of() == [("read", "value")]
        program()
    program()
    assert len(outer.of()) == 2
    assert len(inner.of()) == 1
    assert_unchanged(before)


def odd() -> int:
    return 1


def test_what_cannot_be_rewritten_stays_as_it_is() -> None:
    def function() -> int:
        return odd() + Box.value

    code = odd.__code__
    too_many_pops = bytes([opcode.opmap["POP_TOP"], 0])
    odd.__code__ = code.replace(co_code=too_many_pops + code.co_code)
    seen = Seen()
    try:
        broken = odd.__code__
        with instrumented((__name__,), seen.hooks) as made:
            assert odd.__code__ is broken
            odd.__code__ = code
            assert function() == 2
    finally:
        odd.__code__ = code
    assert seen.of() == [("call", "odd"), ("read", "value")]
    ((name, reason),) = made.refused
    assert name == "odd"
    assert reason == "Unreadable: POP_TOP takes more than there is"


MODULE = """
'''A module.'''
total = 0
class Made:
    '''A class.'''
    table = [1]
    table.append(2)
    def method(self):
        def inner():
            return self.table
        return inner
def count():
    global total
    total += 1
    return total
kept = Made().method()
"""


@pytest.fixture
def module_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "imported_late").mkdir()
    (tmp_path / "imported_late" / "__init__.py").write_text("")
    (tmp_path / "imported_late" / "part.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "imported_late.part"
    for name in ("imported_late.part", "imported_late"):
        sys.modules.pop(name, None)


def test_modules_that_are_imported_within_the_block(module_name: str) -> None:
    seen = Seen()
    path = list(sys.meta_path)
    with instrumented(("imported_late",), seen.hooks) as made:
        assert made.missing == {"imported_late"}
        import imported_late.part as module

        # The body of the module, and of the class in it.
        assert seen.of("call", "write") == [("call", "append"), ("call", "Made")]
        assert made.missing == frozenset()
        assert module.count() == 1
        assert seen.subjects("write", "total")[0] is vars(module)
        assert module.kept() == [1, 2]
        gc.collect()  # On a free-threaded build that of the class body is there until then.
        assert made.functions == 3
    assert sys.meta_path == path
    assert made.functions == 0
    code = compile(MODULE, str(module.__file__), "exec")
    assert all_codes(code) == all_codes_of(module)
    assert module.__spec__.loader.__class__.__name__ == "SourceFileLoader"
    assert module.__loader__ is module.__spec__.loader
    assert module.__doc__ == "A module."
    assert module.Made.__doc__ == "A class."


def all_codes(code: CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return {code.co_qualname, *(name for const in inner for name in all_codes(const))}


def all_codes_of(module: ModuleType) -> set[str]:
    functions = [module.count, module.Made.method, module.kept]
    assert all(marked(function.__code__) is False for function in functions)
    return {"<module>", "Made", *(f.__code__.co_qualname for f in functions)}


def marked(code: CodeType) -> bool:
    return any(type(const).__name__ == "Site" for const in code.co_consts)


class OddLoader:
    """Runs a module by itself, as the rewriter of assertions of pytest does."""

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(MODULE, vars(module))


class OddFinder:
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, OddLoader()) if name == "odd_module" else None  # type: ignore[arg-type]


def test_a_loader_that_keeps_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [OddFinder(), *sys.meta_path])
    seen = Seen()
    with instrumented(("odd_module",), seen.hooks) as made:
        import odd_module

        assert made.missing == frozenset()
        assert odd_module.count() == 1
        assert ("write", "total") in seen.of()
    assert not marked(odd_module.count.__code__)
    assert isinstance(odd_module.__spec__.loader, OddLoader)
    del sys.modules["odd_module"]


def test_a_spec_that_outlives_the_block(module_name: str) -> None:
    import importlib.util

    seen = Seen()
    with instrumented(("imported_late",), seen.hooks):
        spec = importlib.util.find_spec(module_name)
        assert spec is not None
        assert spec.loader is not None
        assert spec.loader.get_source(module_name) == MODULE  # type: ignore[attr-defined]
    seen.events.clear()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.count() == 1
    assert seen.events == []


def test_built_in_modules_may_be_targets() -> None:
    sys.modules.pop("_sha1", None)
    with instrumented(("_sha1", "time", "sys"), SILENT) as made:
        pytest.importorskip("_sha1")
    assert made.missing == {"_sha1", "time", "sys"}


def test_a_script(tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "script.py"
    script.write_text(
        "from stress.instrument import Hooks, instrumented\n"
        "class Box: value = 1\n"
        "def work(): return Box.value\n"
        "seen = []\n"
        "def hook(site, *given): seen.append((site.kind, site.name, site.module))\n"
        "with instrumented(['__main__'], Hooks(hook, hook)) as made: work()\n"
        "print(seen, sorted(made.missing))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[('read', 'value', '__main__')] []\n"


def work_in_threads() -> int:
    total: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(total.append, number) for number in range(200)]
        assert [future.result() for future in futures] == [None] * 200
    return sum(total)


def test_real_threads_call_the_hooks_too() -> None:
    threads: set[int] = set()

    def hook(*_: Any) -> None:
        threads.add(threading.get_ident())

    targets = ("concurrent.futures", "threading", "queue", __name__)
    with instrumented(targets, Hooks(hook, hook)) as made:
        assert work_in_threads() == sum(range(200))
    assert len(threads) > 1
    assert made.missing == frozenset()
