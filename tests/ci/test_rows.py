"""Figures beside each other: ratios, bars, exit code, and what is printed."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks.rows import (
    Bar,
    Row,
    as_json,
    as_markdown,
    exit_code,
    number,
    print_rows,
    print_sum,
)

AT_LEAST = Bar(30, aim=100)
AT_MOST = Bar(4, at_least=False)


def row(figure: float, other: float | None, bar: Bar | None, beside: str = "peer") -> Row:
    return Row("speed", "a program", figure, "/s", beside, other, bar)


@pytest.mark.parametrize(
    ("made", "met", "verdict"),
    [
        (row(3000, 100, AT_LEAST), True, "met"),
        (row(2999, 100, AT_LEAST), False, "missed"),
        (row(10_000, 100, AT_LEAST), True, "aim met"),
        (row(4, 1, AT_MOST), True, "met"),
        (row(4.1, 1, AT_MOST), False, "missed"),
        (row(4.1, 1, None), None, ""),
        # Nothing stands beside it by nature: the figure itself is judged.
        (row(3.9, None, AT_MOST, beside=""), True, "met"),
        (row(4.1, None, AT_MOST, beside=""), False, "missed"),
        # Something should, and could not be measured.
        (row(1e9, None, AT_LEAST), False, "missed"),
        (row(1e9, 0.0, AT_LEAST), False, "missed"),
        (row(0.1, None, AT_MOST), False, "missed"),
    ],
)
def test_a_bar_is_met_or_not(made: Row, met: bool | None, verdict: str) -> None:
    assert made.met is met
    assert made.verdict == verdict


def test_one_missed_bar_is_exit_code_1() -> None:
    good, bad, without = row(40, 1, AT_LEAST), row(20, 1, AT_LEAST), row(20, 1, None)
    assert exit_code([]) == 0
    assert exit_code([good, without]) == 0
    assert exit_code([good, bad, without]) == 1
    assert exit_code([row(40, None, AT_LEAST)]) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (100, "100"),
        (99.94, "99.9"),
        (0.303, "0.303"),
        (0, "0"),
        (0.00012, "1.2e-04"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


ROWS = [
    Row("speed", "a program, greenlets", 12345, "/s", "peer dpor", 100, AT_LEAST),
    Row("speed", "a program, threads", 812, "/s", "peer", None, AT_LEAST, "peer not installed"),
    Row("memory", "growth", 0.25, "MiB", bar=Bar(5, at_least=False), note="30 MiB before"),
    Row("sandbox", "one trial", 12, "ms", "ms of a fork:", 10, note="empty"),
]
GOLDEN = """\
speed
  a program, greenlets                      12,345 /s  peer dpor 100                   × 123  ≥ 30 (aim 100)  aim met
  a program, threads                           812 /s  peer not installed                     ≥ 30 (aim 100)  missed

memory
  growth                                     0.25 MiB  30 MiB before                          ≤ 5             met

sandbox
  one trial                                     12 ms  ms of a fork: 10; empty         × 1.2

2 of 3 bars are met
"""  # noqa: E501


def printed(**options: object) -> str:
    written = io.StringIO()
    console = Console(file=written, width=120, **options)
    print_rows(console, ROWS)
    print_sum(console, ROWS)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def test_the_table() -> None:
    assert printed() == GOLDEN


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b" not in printed()
    assert "\x1b" in printed(force_terminal=True)


def test_as_json_has_what_the_table_has() -> None:
    told = json.loads(as_json(ROWS))
    assert [r["verdict"] for r in told] == ["aim met", "missed", "met", ""]
    assert told[0]["ratio"] == pytest.approx(123.45)
    assert told[0]["bar"] == {"limit": 30, "aim": 100, "at_least": True}
    assert told[1]["ratio"] is None
    assert told[1]["met"] is False


def test_as_markdown_has_what_the_table_has() -> None:
    text = as_markdown([row(3000, 100, AT_LEAST), row(50, None, None, beside="")])
    assert text.splitlines() == [
        "## Speed",
        "",
        "| | figure | beside | ratio | bar | |",
        "|---|---|---|---|---|---|",
        "| a program | 3,000 /s | peer 100 | × 30 | ≥ 30 (aim 100) | met |",
        "| a program | 50 /s |  |  |  |  |",
    ]
