"""What a benchmark gives: figures, each beside what was measured in the same run, and its bar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit for the ratio of a row; where there is an aim, that is further than the limit."""

    limit: float
    aim: float | None = None
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Is `value` on the right side of the limit?"""
        return self._reaches(value, self.limit)

    def is_aim_met(self, value: float) -> bool:
        """Is there an aim, and `value` on the right side of it?"""
        return self.aim is not None and self._reaches(value, self.aim)

    def _reaches(self, value: float, limit: float) -> bool:
        return value >= limit if self.at_least else value <= limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        aim = f" (aim {number(self.aim)})" if self.aim is not None else ""
        return f"{sign} {number(self.limit)}{aim}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `beside` names what it is measured against, and `other` is that one's figure.

    A row with a bar is judged by the ratio of the two; by the figure itself where nothing stands
    beside it by nature (`beside` is empty). Where something should and could not be measured,
    `other` is None, the note says why, and the bar is not met.
    """

    group: str
    name: str
    figure: float
    unit: str
    beside: str = ""
    other: float | None = None
    bar: Bar | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Figure by what stands beside it; None where there is no such thing."""
        return self.figure / self.other if self.other else None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar."""
        if self.bar is None:
            return None
        value = self.ratio if self.beside else self.figure
        return value is not None and self.bar.is_met(value)

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.bar is None or self.met is None:
            return ""
        if not self.met:
            return "missed"
        value = self.ratio if self.beside else self.figure
        return "aim met" if value is not None and self.bar.is_aim_met(value) else "met"


def exit_code(rows: Iterable[Row]) -> int:
    """0 where every bar is met, 1 where one is not."""
    return int(any(row.met is False for row in rows))


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value != value or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or not value else f"{value:.1e}"


def as_json(rows: Iterable[Row]) -> str:
    """All rows, with ratios and verdicts."""
    told = [
        {**asdict(row), "ratio": row.ratio, "met": row.met, "verdict": row.verdict} for row in rows
    ]
    return json.dumps(told, indent=2, ensure_ascii=False)


def as_markdown(rows: Sequence[Row]) -> str:
    """A heading and a table for each group."""
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"## {group[0].upper()}{group[1:]}\n")
        parts.append("| | figure | beside | ratio | bar | |\n|---|---|---|---|---|---|")
        for row in rows:
            if row.group == group:
                cells = [cell.plain.strip().replace("|", "\\|") for cell in _cells(row)]
                parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


STYLES = {"missed": "bold red", "met": "green", "aim met": "bold green"}


def print_rows(console: Console, rows: Sequence[Row]) -> None:
    """A heading and a table for each group."""
    for group in dict.fromkeys(row.group for row in rows):
        console.print(Text(group, style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(min_width=36)
        table.add_column(min_width=15, justify="right", no_wrap=True)
        table.add_column(min_width=30)
        table.add_column(min_width=5, justify="right", no_wrap=True)
        table.add_column(min_width=14, no_wrap=True)
        table.add_column(min_width=7, no_wrap=True)
        for row in rows:
            if row.group == group:
                table.add_row(*_cells(row))
        console.print(table)
        console.print()


def print_sum(console: Console, rows: Sequence[Row]) -> None:
    """How many bars are met."""
    judged = [row for row in rows if row.bar is not None]
    told = f"{sum(row.met is True for row in judged)} of {len(judged)} bars are met"
    console.print(told, highlight=False, markup=False)


def _cells(row: Row) -> list[Text]:
    if row.other is None:
        beside = row.note
    else:
        beside = f"{row.beside} {number(row.other)}" + (f"; {row.note}" if row.note else "")
    return [
        Text(f"  {row.name}"),
        Text(f"{number(row.figure)} {row.unit}".rstrip()),
        Text(beside),
        Text("" if row.ratio is None else f"× {number(row.ratio)}"),
        Text("" if row.bar is None else str(row.bar)),
        Text(row.verdict, style=STYLES.get(row.verdict, "")),
    ]
