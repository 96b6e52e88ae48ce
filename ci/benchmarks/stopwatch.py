"""Processor time of single executions: neighbours on the machine change it least."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

from stress.exploration import explore
from stress.strategies.random_walk import RandomWalk


@dataclass(frozen=True)
class Execution:
    """The median execution: its seconds of processor, and the mean number of steps."""

    seconds: float
    steps: float

    @property
    def microseconds_per_step(self) -> float:
        """What a step costs, all told."""
        return self.seconds / self.steps * 1e6


class Stopwatch:
    """The random walk, that notes when each execution begins."""

    def __init__(self, seed: int) -> None:
        self._walk = RandomWalk(seed)
        self.choose = self._walk.choose
        self.began: list[float] = []

    def begin(self, execution: int) -> bool:
        """As the random walk does."""
        self.began.append(process_time())
        return self._walk.begin(execution)


def timed(
    program: Callable[[], object], executions: int, seed: int = 0, **options: Any
) -> Execution:
    """Explore on greenlets; one execution more than asked for, whose end is not noted.

    Raises SystemExit where there is a finding.
    """
    watch = Stopwatch(seed)
    found = explore(
        program,
        strategy=watch,
        executions=executions + 1,
        carrier="greenlet",
        step_limit=10_000_000,
        **options,
    )
    if found.findings:
        raise SystemExit(f"a program of the benchmarks failed: {found.findings[0].message}")
    pairs = zip(watch.began, watch.began[1:], strict=False)
    return Execution(
        seconds=statistics.median(end - start for start, end in pairs),
        steps=found.statistics.steps / found.statistics.executions,
    )
