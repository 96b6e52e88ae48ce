"""The entry of the benchmarks: what is run, what is printed, and the exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

pytest.importorskip("greenlet")
pytest.importorskip("bytecode")
import bench
from rich.console import Console

from benchmarks.bodies import bodies
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from benchmarks.stopwatch import Stopwatch, timed


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    def good(quick: bool, news: News) -> list[Row]:
        return [Row("good", "quick" if quick else "slow", 1, "s", bar=Bar(2, at_least=False))]

    def bad(quick: bool, news: News) -> list[Row]:
        return [Row("bad", "a figure", 3, "s", bar=Bar(2, at_least=False))]

    monkeypatch.setattr(bench, "BENCHMARKS", {"good": good, "bad": bad})


@pytest.mark.usefixtures("benchmarks")
def test_a_missed_bar_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only", "good"]) == 0
    assert "1 of 1 bars are met" in capsys.readouterr().out
    assert bench.main([]) == 1
    assert "1 of 2 bars are met" in capsys.readouterr().out


@pytest.mark.usefixtures("benchmarks")
def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--json", "--quick"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(r["name"], r["met"]) for r in told] == [("quick", True), ("a figure", False)]


@pytest.mark.usefixtures("benchmarks")
def test_a_name_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        bench.main(["--only", "best"])
    assert left.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_news_in_a_log_are_few() -> None:
    now, written = [0.0], io.StringIO()
    news = News(Console(file=written, width=60), clock=lambda: now[0])
    for text, at in (("one", 0.0), ("two", 1.0), ("three", 2.5)):
        now[0] = at
        news(text)
    news.clear()
    assert written.getvalue() == "[  0 s] one\n[  2 s] three\n"


def test_news_on_a_terminal_are_one_line() -> None:
    written = io.StringIO()
    news = News(Console(file=written, width=20, force_terminal=True), clock=lambda: 0.0)
    news("a text that is longer than the line")
    news.clear()
    assert written.getvalue() == "\r\x1b[2K[  0 s] a text that\r\x1b[2K"


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body.name)
def test_bodies_run_and_their_copies_are_pure(body: object) -> None:
    body.run()


def test_a_stopwatch_times_each_execution_of_a_random_walk() -> None:
    watch = Stopwatch(0)
    assert watch.begin(0)
    assert watch.begin(1)
    assert len(watch.began) == 2
    assert watch.choose([3], [], None) == 3


def test_what_is_timed_has_its_steps() -> None:
    shared: dict[int, int] = {}

    def program() -> None:
        for number in range(3):
            shared[number] = number

    assert timed(program, 2).steps >= 3


def test_what_fails_is_not_timed() -> None:
    def program() -> None:
        raise ValueError("too bad")

    with pytest.raises(SystemExit, match="too bad"):
        timed(program, 2)


def test_a_page_of_the_docs_says_what_it_was_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row("speed", "a program", 3.0, "/s")
    monkeypatch.setattr(bench, "BENCHMARKS", {"one": lambda quick, news: [row]})
    page = tmp_path / "figures.md"
    assert bench.main(["--markdown", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Figures\n\nWritten by `ci/bench.py --markdown`, on ")
    assert "| a program | 3 /s |" in text
    assert "a program" in capsys.readouterr().out
