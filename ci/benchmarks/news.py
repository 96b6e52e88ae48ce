"""Signs of life while benchmarks run: one line that changes on a terminal, few lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console

LINE_INTERVAL_S = 2.0


class News:
    """Call it with what is being done; it writes on `console` now and then.

    It has no thread: the benchmarks measure a process that has none but its own.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._last = float("-inf")

    def __call__(self, text: str) -> None:
        """Tell it now on a terminal; elsewhere unless something was told a moment ago."""
        now = self._clock()
        line = f"[{now - self._began:3.0f} s] {text}"
        if self._console.is_terminal:
            self._console.file.write(f"\r\x1b[2K{line[: self._console.width - 1]}")
            self._console.file.flush()
        elif now - self._last >= LINE_INTERVAL_S:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._last = now

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._console.is_terminal:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()
