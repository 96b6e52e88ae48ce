"""Progress: a live display on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from stress.api import RunProgress
from stress.exploration import Progress
from stress.report.progress import exploration_news, news_line, progress_display, progress_line


def news(**members: object) -> RunProgress:
    values: dict[str, object] = {
        "trials": 1200,
        "elapsed_s": 30.0,
        "findings": 0,
        "occurrences": 0,
        "jobs": 2,
        "threads": 24,
        "trials_per_s": 40.0,
        "time_left_s": 30.0,
    }
    return RunProgress(**(values | members))  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain_console() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=False), stream


def test_a_line_tells_everything() -> None:
    assert progress_line(news()) == (
        "1,200 trials · 40.0/s · 2 jobs · 24 threads · no findings · elapsed 30.0 s · left 30.0 s"
    )
    assert progress_line(news(findings=1, occurrences=500, time_left_s=None), 5000) == (
        "1,200/5,000 trials · 40.0/s · 2 jobs · 24 threads · 1 finding (seen 500 times) · "
        "elapsed 30.0 s"
    )
    assert "2 findings (seen 3 times)" in progress_line(news(findings=2, occurrences=3))


def explored(**members: object) -> Progress:
    values: dict[str, object] = {
        "executions": 12_800,
        "elapsed_s": 3.2,
        "findings": 0,
        "executions_per_s": 4000.4,
        "time_left_s": None,
    }
    return Progress(**(values | members))  # type: ignore[arg-type]


def test_a_line_of_an_exploration() -> None:
    assert news_line(exploration_news(explored())) == (
        "12,800 executions · 4,000/s · no findings · elapsed 3.2 s"
    )
    line = news_line(exploration_news(explored(findings=3, time_left_s=1.0)), 20_000)
    assert line == "12,800/20,000 executions · 4,000/s · 3 went wrong · elapsed 3.2 s · left 1.0 s"


def test_a_line_of_an_exploration_that_shrinks() -> None:
    assert news_line(exploration_news(explored(findings=1, shrinking=70))) == (
        "12,800 executions · shrinking it, execution 70 · 1 went wrong · elapsed 3.2 s"
    )


def test_an_exploration_on_a_terminal(terminal: tuple[Console, io.StringIO]) -> None:
    console, stream = terminal
    with progress_display(console, title="shop:main", news=exploration_news) as update:
        update(explored(findings=3))
        for words in ("shop:main", "12,800 executions", "4,000/s", "3 went wrong"):
            assert words in stream.getvalue()


def test_plain_lines_come_after_two_seconds_and_then_every_five() -> None:
    console, stream = plain_console()
    clock = Clock()
    printed_at = []
    with progress_display(console, title="mixed", clock=clock) as update:
        for tick in range(0, 150, 2):
            clock.now = 100.0 + tick / 10
            before = stream.getvalue()
            update(news(trials=tick))
            if stream.getvalue() != before:
                printed_at.append(tick / 10)
    assert printed_at == [2.0, 7.0, 12.0]
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("mixed: 20 trials")
    assert "\x1b" not in stream.getvalue()


def test_plain_lines_are_not_wrapped_or_marked_up() -> None:
    console, stream = plain_console()
    clock = Clock()
    with progress_display(console, title="[bold]" + "x" * 200, clock=clock) as update:
        clock.now += 2.0
        update(news())
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().startswith("[bold]xxx")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[Console, io.StringIO]:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    return Console(file=stream, force_terminal=True, width=100, height=20), stream


def test_a_terminal_shows_a_display_that_is_gone_afterwards(
    terminal: tuple[Console, io.StringIO],
) -> None:
    console, stream = terminal
    clock = Clock()
    threads = threading.active_count()
    with progress_display(console, title="mixed · seed 1", trials=5000, clock=clock) as update:
        assert threading.active_count() == threads, "a display must not start threads"
        update(news(findings=1, occurrences=3))
        shown = stream.getvalue()
        for word in ("mixed · seed 1", "1,200 trials of 5,000", "24 threads", "left 30.0 s"):
            assert word in shown
        assert "1 finding (seen 3 times)" in shown
        update(news(trials=77))
        assert "77 trials" not in stream.getvalue(), "too soon for another frame"
        clock.now += 0.5
        update(news(trials=77, time_left_s=None))
        assert "77 trials" in stream.getvalue()
        assert "until stopped" in stream.getvalue()
    assert stream.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))


def test_a_display_ends_with_the_error_of_its_block(terminal: tuple[Console, io.StringIO]) -> None:
    console, stream = terminal

    def interrupted() -> None:
        with progress_display(console, title="mixed") as update:
            update(news())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in stream.getvalue(), "the cursor is shown again"


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True)
    clock = Clock()
    with progress_display(console, title="mixed", clock=clock) as update:
        clock.now += 3
        update(news())
    assert stream.getvalue().startswith("mixed: 1,200 trials")
