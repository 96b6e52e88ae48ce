"""Time as an execution has it: it moves when nobody is ready, and then at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.locks import check_limit, operation
from stress.engine.timers import move_clock

_SLEEP, _YIELD = operation("sleep", "time"), operation("yield", "time")
#: Who looks at the clock so often with nobody else ready waits for it: then it moves, ever faster.
LOOKS, FIRST_MOVE_S, LAST_MOVE_S = 20, 0.001, 3600.0


class _Nap:
    """What a sleeping task waits at: nobody opens it."""

    __slots__ = ("waiters",)

    owner = None

    def __init__(self) -> None:
        self.waiters: list[int] = []


class Clock:
    """The time functions of one exploration. Every execution begins at the same moment."""

    def __init__(self) -> None:
        self._wall_s = time.time()
        self._monotonic_s = time.monotonic()
        self._real = {name: getattr(time, name) for name in NAMES}
        self._looks = self._looked_at_step = 0
        self._execution: Any = None

    def sleep(self, seconds: float) -> None:
        """`time.sleep`. Nothing, or less than the clock can tell, is a yield."""
        mine = controlled()
        if mine is None:
            self._real["sleep"](seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        check_limit(seconds)
        execution, _ = mine
        if seconds == 0:
            execution.point(_YIELD)
        else:
            execution.park(_SLEEP, _Nap(), seconds)

    def names(self) -> dict[str, Callable[..., Any]]:
        """What stands for which name of the module `time`."""
        return {
            "sleep": self.sleep,
            "monotonic": self._at(self._monotonic_s, "monotonic"),
            "perf_counter": self._at(self._monotonic_s, "perf_counter"),
            "time": self._at(self._wall_s, "time"),
            "monotonic_ns": self._at_ns(self._monotonic_s, "monotonic_ns"),
            "perf_counter_ns": self._at_ns(self._monotonic_s, "perf_counter_ns"),
            "time_ns": self._at_ns(self._wall_s, "time_ns"),
        }

    def _at(self, begin_s: float, name: str) -> Callable[[], float]:
        real = self._real[name]

        def read() -> float:
            if context.execution is None or controlled() is None:
                return float(real())
            return begin_s + self._look()

        return read

    def _at_ns(self, begin_s: float, name: str) -> Callable[[], int]:
        real = self._real[name]
        begin_ns = int(begin_s * 1e9)

        def read() -> int:
            if context.execution is None or controlled() is None:
                return int(real())
            return begin_ns + int(self._look() * 1e9)

        return read

    def _look(self) -> float:
        execution = context.execution
        assert execution is not None
        if self._execution is not execution:
            self._execution, self._looks = execution, 0
        if len(execution.ready) > 1:
            self._looks = 0
        else:
            self._looks += 1
            if self._looks > LOOKS:
                # A loop that waits for a moment, and nobody else who could do anything meanwhile.
                move_s = min(FIRST_MOVE_S * 2.0 ** min(self._looks - LOOKS, 40), LAST_MOVE_S)
                move_clock(execution, move_s)
        return execution.clock_s


NAMES = (
    "sleep", "monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns",
)  # fmt: skip
