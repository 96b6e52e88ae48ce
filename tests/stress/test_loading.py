"""What a user names is found, or refused in one sentence that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stress.errors import InvalidArgument
from stress.loading import check_module, did_you_mean, import_module, load_target

FILES = {
    "shop_of_test.py": (
        "stock = {}\n"
        "def main(): return 'sold'\n"
        "def sell(item, price=1): ...\n"
        "def lend(item=None): ...\n"
        "async def later(): ...\n"
        "class Shop:\n"
        "    @staticmethod\n"
        "    def open(): return 'opened'\n"
    ),
    "broken_of_test.py": "import json\n\njson.loads('{')\n",
    "unfinished_of_test.py": "def main(:\n",
    "script_of_test.py": "import sys\nsys.exit(3)\n",
    "needy_of_test.py": "import nowhere_to_be_found\n",
    "package_of_test/__init__.py": "",
    "package_of_test/inner.py": "def main(): ...\n",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if "_of_test" in name]:
        del sys.modules[name]


def test_what_is_there_is_found() -> None:
    assert load_target("shop_of_test:main")() == "sold"
    assert load_target("shop_of_test:Shop.open")() == "opened"
    load_target("shop_of_test:lend")
    load_target("shop_of_test:Shop")
    load_target("package_of_test.inner:main")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("shop_of_test", "'shop_of_test' names no callable; name it as module:callable"),
        ("shop_of_test:", "'shop_of_test:' names no callable; name it as module:callable"),
        (":main", "':main' names no callable; name it as module:callable"),
        (".shop_of_test:main", "name it as module:callable"),
        (
            "shop_of_tset:main",
            "cannot import 'shop_of_tset': there is no module 'shop_of_tset'; "
            "did you mean 'shop_of_test'?",
        ),
        ("zzz:main", "there is no module 'zzz'; name one that is importable from this directory"),
        (
            "package_of_test.iner:main",
            "there is no module 'iner' in package 'package_of_test'; did you mean 'inner'?",
        ),
        (
            "shop_of_test:mian",
            "'shop_of_test:mian' names no callable: 'shop_of_test' has no 'mian'; "
            "did you mean 'main'?",
        ),
        ("shop_of_test:Shop.opn", "'shop_of_test.Shop' has no 'opn'"),
        ("shop_of_test:stock", "'shop_of_test:stock' is a dict and cannot be called"),
        ("shop_of_test:sell", "without arguments (missing a required argument: 'item')"),
        ("shop_of_test:later", "is a coroutine function; name one that calls asyncio.run on it"),
        (
            "broken_of_test:main",
            "importing 'broken_of_test' raised JSONDecodeError: Expecting property name enclosed "
            "in double quotes: line 1 column 2 (char 1), at broken_of_test.py:3",
        ),
        ("unfinished_of_test:main", "raised SyntaxError: invalid syntax, at unfinished_of_test.py"),
        ("script_of_test:main", "SystemExit: 3, at script_of_test.py:2; is a main guard missing?"),
        (
            "needy_of_test:main",
            "raised ModuleNotFoundError: No module named 'nowhere_to_be_found', "
            "at needy_of_test.py:1",
        ),
    ],
)
def test_what_is_not_there_is_refused(target: str, sentence: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        load_target(target)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("shop_of_tets", "did you mean 'shop_of_test'?"),
        ("package_of_test.inert", "did you mean 'inner'?"),
        ("shop_of_test.x", "'shop_of_test' is not a package"),
        ("a b", "'a b' is no name of a module"),
        ("", "'' is no name of a module"),
    ],
)
def test_a_module_that_is_not_there(name: str, sentence: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_module(name)
    assert sentence in str(caught.value)


def test_a_module_that_is_there_is_not_imported_for_the_check() -> None:
    check_module("broken_of_test")
    check_module("package_of_test.inner")
    assert "broken_of_test" not in sys.modules
    assert import_module("package_of_test.inner").main() is None


def test_the_nearest_name() -> None:
    assert did_you_mean("shpo", ["show", "shop", "ship"]) == "did you mean 'shop'?"
    assert did_you_mean("randon", ["pct", "random"]) == "did you mean 'random'?"
    assert did_you_mean("zzz", ["pct", "random"]) == ""
