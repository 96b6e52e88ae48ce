"""Dependence: what is made of a value, and what a decision is about."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from stress.detect.dependence import Span, come_together, depends

#: In each of them `first()` stands once, and `second` or `second(…)` once.
DEPEND = {
    "an argument": "second(first())",
    "a variable": "x = first()\nsecond(x)",
    "two variables": "x = first()\ny = x + 1\nsecond(y)",
    "one of several": "x, y = first()\nsecond(y)",
    "a walrus": "if (x := first()):\n    pass\nsecond(x)",
    "a condition": "if first():\n    second()",
    "a condition of a variable": "x = first()\nif x > 3:\n    second()",
    "the other case": "if first():\n    pass\nelse:\n    second()",
    "an early return": "if not first():\n    return\nsecond()",
    "an early return by a variable": "x = first()\nif x:\n    raise KeyError\nsecond()",
    "and": "return first() and second()",
    "one or the other": "return 1 if first() else second()",
    "while": "while first():\n    second()",
    "for each": "for x in first():\n    second()",
    "inside of with": "x = first()\nwith lock:\n    second(x)",
    "with": "with first() as x:\n    second(x)",
    "a match": "match first():\n    case 1:\n        second()",
    "added": "total = 0\ntotal += first()\nsecond(total)",
    "beside it": "x = first()\nself.total = second() + x",
}
DO_NOT = {
    "in turn": "first()\nsecond()",
    "another variable": "x = first()\ny = 1\nsecond(y)",
    "after a condition": "if first():\n    pass\nsecond()",
    "another condition": "x = first()\nif y:\n    second()",
    "only assigned": "x = first()\nx = second()",
    "after a loop": "for x in first():\n    pass\nsecond()",
}
BY_VALUE = {"an argument", "a variable", "two variables", "one of several", "a walrus",
            "inside of with", "with", "added", "beside it"}  # fmt: skip
TOGETHER = {
    "added": "return first() + second()",
    "a pair": "return first(), second()",
    "two variables": "x = first()\ny = second()\nreturn x + y",
    "in a text": "x = first()\ny = second()\nreturn f'{x}{y}'",
    "compared": "x = first()\nassert second() == x + 1",
}
APART = {
    "in turn": "first()\nsecond()",
    "two variables": "x = first()\ny = second()\nprint(x)\nprint(y)",
}


def spans(tmp_path: Path, body: str) -> tuple[str, Span, Span]:
    source = "def work(self, lock, y):\n" + textwrap.indent(body, "    ") + "\n"
    path = tmp_path / "work.py"
    path.write_text(source)
    found = []
    for name in ("first(", "second("):
        line, text = next((n, t) for n, t in enumerate(source.splitlines(), 1) if name in t)
        begin = text.index(name)
        depth, end = 0, begin
        for end in range(begin, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if text[end] == ")" and not depth:
                break
        found.append(Span(line, begin, line, end + 1))
    return str(path), found[0], found[1]


@pytest.mark.parametrize("name", DEPEND)
def test_what_depends(tmp_path: Path, name: str) -> None:
    file, first, second = spans(tmp_path, DEPEND[name])
    assert depends(file, first, second)
    assert depends(file, first, second, by_value=True) == (name in BY_VALUE)


@pytest.mark.parametrize("name", DO_NOT)
def test_what_does_not(tmp_path: Path, name: str) -> None:
    file, first, second = spans(tmp_path, DO_NOT[name])
    assert not depends(file, first, second)


def test_to_look_again_is_no_use(tmp_path: Path) -> None:
    file, first, second = spans(tmp_path, "x = first()\nif x == second():\n    pass")
    assert not depends(file, first, second, by_value=True)


@pytest.mark.parametrize("name", TOGETHER)
def test_what_comes_together(tmp_path: Path, name: str) -> None:
    assert come_together(*spans(tmp_path, TOGETHER[name]))


@pytest.mark.parametrize("name", APART)
def test_what_stays_apart(tmp_path: Path, name: str) -> None:
    assert not come_together(*spans(tmp_path, APART[name]))


def test_without_source_nothing_depends() -> None:
    span = Span(1, 0, 1, 5)
    assert not depends("<nowhere>", span, span)
    assert not come_together("<nowhere>", span, span)
