"""A class with a property that is computed once, as somebody else would have written it."""

from __future__ import annotations

import functools
import threading
import time


class Report:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.computed = 0

    @functools.cached_property
    def pages(self) -> int:
        time.sleep(0.1)
        with self.lock:
            self.computed += 1
            return self.computed
