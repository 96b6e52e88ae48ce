"""How far a run is, while it runs: live on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stress.report.console import duration

if TYPE_CHECKING:
    from stress.api import RunProgress
    from stress.exploration import Progress

Update: TypeAlias = "Callable[[Any], None]"

# A log is read later, and by a person: few lines, the first soon enough to show life.
FIRST_LINE_S = 2.0
LINE_INTERVAL_S = 5.0
FRAME_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class News:
    """What a display shows of any progress: `count` of `noun`, in short `facts`, and the rest."""

    count: int
    noun: str
    facts: tuple[str, ...]
    found: str
    has_findings: bool
    elapsed_s: float
    time_left_s: float | None


def run_news(progress: RunProgress) -> News:
    """The news of a run on real threads."""
    facts = (
        f"{progress.trials_per_s:.1f}/s",
        f"{progress.jobs} jobs",
        f"{progress.threads} threads",
    )
    found = "no findings"
    if progress.findings:
        noun = "finding" if progress.findings == 1 else "findings"
        found = f"{progress.findings:,} {noun} (seen {progress.occurrences:,} times)"
    left = progress.time_left_s
    has = bool(progress.findings)
    return News(progress.trials, "trials", facts, found, has, progress.elapsed_s, left)


def exploration_news(progress: Progress) -> News:
    """The news of an exploration."""
    facts = (f"{progress.executions_per_s:,.0f}/s",)
    wrong = progress.findings
    found = f"{wrong:,} went wrong" if wrong else "no findings"
    left = progress.time_left_s
    count = progress.executions
    if progress.shrinking:
        facts = (f"shrinking it, execution {progress.shrinking:,}",)
    return News(count, "executions", facts, found, bool(wrong), progress.elapsed_s, left)


@contextmanager
def progress_display(
    console: Console,
    *,
    title: str,
    trials: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    news: Callable[[Any], News] = run_news,
) -> Iterator[Update]:
    """Show progress on `console` while the block runs; yields what to call with each progress.

    `trials` is the number asked for, if any, of what `news` counts; `clock` gives seconds. On a
    terminal the display is gone afterwards; elsewhere a line is written at most every
    `LINE_INTERVAL_S`.
    """
    if console.is_terminal and not console.is_dumb_terminal:
        with _live(console, title, trials, clock, news) as update:
            yield update
    else:
        yield _lines(console, title, trials, clock, news)


def progress_line(progress: RunProgress, trials: int | None = None) -> str:
    """The news of a run as one line of text."""
    return news_line(run_news(progress), trials)


def news_line(news: News, total: int | None = None) -> str:
    """News as one line of text."""
    of = f"/{total:,}" if total is not None else ""
    elapsed = f"elapsed {duration(news.elapsed_s)}"
    parts = [f"{news.count:,}{of} {news.noun}", *news.facts, news.found, elapsed]
    if news.time_left_s is not None:
        parts.append(f"left {duration(news.time_left_s)}")
    return " · ".join(parts)


def _lines(
    console: Console,
    title: str,
    trials: int | None,
    clock: Callable[[], float],
    news: Callable[[Any], News],
) -> Update:
    due = clock() + FIRST_LINE_S

    def update(progress: Any) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + LINE_INTERVAL_S
            line = f"{title}: {news_line(news(progress), trials)}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)

    return update


@contextmanager
def _live(
    console: Console,
    title: str,
    trials: int | None,
    clock: Callable[[], float],
    news: Callable[[Any], News],
) -> Iterator[Update]:
    # No refresh thread and no redirected streams: the harness looks for exactly such faults.
    with Live(
        Text(f"{title}: starting"),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        due = clock()

        def update(progress: Any) -> None:
            nonlocal due
            if clock() >= due:
                due = clock() + FRAME_INTERVAL_S
                live.update(_panel(title, news(progress), trials), refresh=True)

        yield update


def _panel(title: str, news: News, trials: int | None) -> Table:
    grid = Table.grid(padding=(0, 2))
    left = news.time_left_s
    share = None
    if left is not None and news.elapsed_s + left > 0:
        share = news.elapsed_s / (news.elapsed_s + left)
    grid.add_row(
        Text(title, style="bold"),
        ProgressBar(total=1.0, completed=share or 0.0, width=30, pulse=share is None),
        Text(f"left {duration(left)}" if left is not None else "until stopped"),
    )
    total = f" of {trials:,}" if trials is not None else ""
    grid.add_row(
        Text(f"{news.count:,} {news.noun}{total}"),
        Text(" · ".join(news.facts)),
        Text(f"elapsed {duration(news.elapsed_s)}"),
    )
    grid.add_row(Text(news.found, style="bold red" if news.has_findings else "green"))
    return grid
