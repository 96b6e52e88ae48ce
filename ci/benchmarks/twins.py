"""The repaired twins of the corpus: no finding in 10,000 executions each."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.hunted import twins
from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.exploration import explore
from stress.finding import Verdict

GROUP = "findings in the repaired twins of the corpus, 10,000 executions each"
EXECUTIONS, QUICK = 10_000, 200
NONE = Bar(0, at_least=False)


def clean(quick: bool, news: News) -> list[Row]:
    """A row for each twin: the portfolio, and where that ends before, the random walk."""
    executions = QUICK if quick else EXECUTIONS
    rows = []
    for name, program in twins().items():
        news(name)
        rows.append(twin_row(name, program, executions))
    return rows


def twin_row(name: str, program: Callable[[], None], executions: int) -> Row:
    """Findings, or infinitely many where somebody is not sure that there is none."""
    made, findings, notes = 0, 0.0, []
    for strategy in ("portfolio", "random"):
        if made >= executions:
            break
        found = explore(
            program,
            strategy=strategy,
            executions=executions - made,
            targets=(program.__module__,),
            stop_on_first=False,
            shrink=False,
        )
        made += found.statistics.executions
        findings += len(found.findings)
        if found.verdict is Verdict.UNKNOWN:
            findings = float("inf")
        notes.append(f"{strategy}: {found.statistics.executions:,}, {found.reason}")
    return Row(GROUP, name, findings, "", bar=NONE, note="; ".join(notes))
