"""How far a run is, while it runs: live on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stress.report.console import duration

if TYPE_CHECKING:
    from stress.api import RunProgress

Update: TypeAlias = "Callable[[RunProgress], None]"

# A log is read later, and by a person: few lines, the first soon enough to show life.
FIRST_LINE_S = 2.0
LINE_INTERVAL_S = 5.0
FRAME_INTERVAL_S = 0.2


@contextmanager
def progress_display(
    console: Console,
    *,
    title: str,
    trials: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Update]:
    """Show progress on `console` while the block runs; yields what to call with each news.

    `trials` is the number asked for, if any; `clock` gives seconds. On a terminal the display
    is gone afterwards; elsewhere a line is written at most every `LINE_INTERVAL_S`.
    """
    if console.is_terminal and not console.is_dumb_terminal:
        with _live(console, title, trials, clock) as update:
            yield update
    else:
        yield _lines(console, title, trials, clock)


def progress_line(progress: RunProgress, trials: int | None = None) -> str:
    """The same news as one line of text."""
    total = f"/{trials:,}" if trials is not None else ""
    parts = [
        f"{progress.trials:,}{total} trials",
        f"{progress.trials_per_s:.1f}/s",
        f"{progress.jobs} jobs",
        f"{progress.threads} threads",
        _found(progress),
        f"elapsed {duration(progress.elapsed_s)}",
    ]
    if progress.time_left_s is not None:
        parts.append(f"left {duration(progress.time_left_s)}")
    return " · ".join(parts)


def _found(progress: RunProgress) -> str:
    if not progress.findings:
        return "no findings"
    noun = "finding" if progress.findings == 1 else "findings"
    return f"{progress.findings:,} {noun} (seen {progress.occurrences:,} times)"


def _lines(console: Console, title: str, trials: int | None, clock: Callable[[], float]) -> Update:
    due = clock() + FIRST_LINE_S

    def update(progress: RunProgress) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + LINE_INTERVAL_S
            line = f"{title}: {progress_line(progress, trials)}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)

    return update


@contextmanager
def _live(
    console: Console, title: str, trials: int | None, clock: Callable[[], float]
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

        def update(progress: RunProgress) -> None:
            nonlocal due
            if clock() >= due:
                due = clock() + FRAME_INTERVAL_S
                live.update(_panel(title, progress, trials), refresh=True)

        yield update


def _panel(title: str, progress: RunProgress, trials: int | None) -> Table:
    grid = Table.grid(padding=(0, 2))
    left = progress.time_left_s
    share = None
    if left is not None and progress.elapsed_s + left > 0:
        share = progress.elapsed_s / (progress.elapsed_s + left)
    grid.add_row(
        Text(title, style="bold"),
        ProgressBar(total=1.0, completed=share or 0.0, width=30, pulse=share is None),
        Text(f"left {duration(left)}" if left is not None else "until stopped"),
    )
    total = f" of {trials:,}" if trials is not None else ""
    grid.add_row(
        Text(f"{progress.trials:,} trials{total}"),
        Text(f"{progress.trials_per_s:.1f}/s · {progress.jobs} jobs · {progress.threads} threads"),
        Text(f"elapsed {duration(progress.elapsed_s)}"),
    )
    grid.add_row(Text(_found(progress), style="bold red" if progress.findings else "green"))
    return grid
