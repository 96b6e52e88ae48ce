"""What rewriting cost is kept: in the process, and on disk; and never does it change a result."""

from __future__ import annotations

import gc
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.instrument import disk, instrumented
from stress.instrument.templates import Result, Templates
from tests.stress.instrument.seen import SILENT

SCRIPT = """
import json, sys
from stress.instrument import Hooks, instrumented
seen = []
def hook(site, *_): seen.append((site.kind, site.name, site.function, site.line, site.number))
with instrumented(["json"], Hooks(hook, hook)) as made:
    assert json.loads("[1, {}]") == [1, {}]
print("bytecode" in sys.modules, made.functions, hash(tuple(map(str, seen))), made.refused)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    return tmp_path / "cache"


def run(script: str = SCRIPT) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_a_second_process_rewrites_nothing(cache: Path) -> None:
    first, second = run(), run()
    assert (first[0], second[0]) == ("True", "False")
    assert first[1:] == second[1:]
    assert {path.name.split("-")[0] for path in files(cache)} == {
        "json", "json.decoder", "json.encoder", "json.scanner",
    }  # fmt: skip


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def overwrite(path: Path) -> None:
    path.write_text("something else entirely, longer than a digest\n" * 10)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [empty, cut, change, overwrite, replace_by_directory])
def test_a_damaged_file_is_as_good_as_none(cache: Path, damage: Callable[[Path], None]) -> None:
    first = run()
    for path in files(cache):
        damage(path)
    assert run() == first
    if damage is not replace_by_directory:
        assert run()[0] == "False"


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRESS_CACHE_DIR", str(tmp_path / "file" / "below"))
    first, second = run(), run()
    assert first == second
    assert first[0] == "True"
    assert files(tmp_path) == [tmp_path / "file"]


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRESS_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert disk.directory() == tmp_path / ".cache" / "hermes-stress"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert disk.directory() == tmp_path / "other" / "hermes-stress"
    monkeypatch.setenv("STRESS_CACHE_DIR", str(tmp_path / "here"))
    assert disk.directory() == tmp_path / "here"


def function_of(source: str) -> Any:
    names: dict[str, Any] = {"__name__": "made_here"}
    exec(compile(source, "made_here.py", "exec"), names)
    return names["function"]


def test_keys_tell_apart_all_that_matters() -> None:
    source = "def function(box):\n return box.value, total\n"
    code = function_of(source).__code__
    key = disk.key_of(code, frozenset())
    assert key == disk.key_of(function_of(source).__code__, frozenset())
    others = [
        disk.key_of(code, frozenset({"total"})),
        disk.key_of(code, frozenset({"total", "other"})),
        disk.key_of(function_of(source.replace("value", "other")).__code__, frozenset()),
        disk.key_of(function_of("\n" + source).__code__, frozenset()),
        disk.key_of(function_of(source.replace(" return", "  return")).__code__, frozenset()),
        disk.key_of(code.replace(co_filename="elsewhere.py"), frozenset()),
    ]
    assert len({key, *others}) == len(others) + 1
    assert disk.key_of(code.replace(co_consts=(object(),)), frozenset()) is None


def test_code_that_no_file_can_hold_is_rewritten_all_the_same(cache: Path) -> None:
    function = function_of("def function(box):\n return box.value, 12345\n")
    function.__code__ = function.__code__.replace(
        co_consts=tuple(SILENT if c == 12345 else c for c in function.__code__.co_consts)
    )
    with instrumented((), SILENT, function) as made:
        assert made.functions == 1
        assert function(type("Box", (), {"value": 1})) == (1, SILENT)
    assert files(cache) == []


def test_a_file_does_not_grow_for_ever(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_ENTRIES_MAX", 3)
    for number in range(5):
        disk.save("module", {bytes([number]): number})
    assert disk.load("module") == {b"\3": 3, b"\4": 4}


def write_often(number: int) -> None:
    for turn in range(100):
        disk.save("module", {b"%d-%d" % (number, turn): "x" * 1000})
        loaded = disk.load("module")
        assert loaded
        assert all(value == "x" * 1000 for value in loaded.values())


def test_several_processes_write_at_once(cache: Path) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=write_often, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(files(cache)) == 1
    assert len(disk.load("module")) >= 100


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and sys.version_info < (3, 14),
    reason="there code lives for ever once there was a second thread",
)
def test_in_the_process_templates_live_as_long_as_the_code() -> None:
    templates = Templates()
    function = function_of("def function(box):\n return lambda: box.value\n")
    code = function.__code__

    def result(code: CodeType, module: str) -> Result:
        return templates.results([code], module, frozenset())[0][1]

    assert result(code, "made_here") is result(code, "made_here")
    assert result(code, "made_here") is not result(code, "made_there")
    assert len(templates._kept) == 1
    del function, code
    gc.collect()
    assert templates._kept == {}
