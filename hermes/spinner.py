"""A spinner: one line of the terminal that moves while something takes long."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

INTERVAL_S = 0.12
FLUSH_EVERY_S = 0.4
FRAMES = {
    "dots": "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    "line": "-\\|/",
    "kawaii": ("(◕‿◕)", "(◕ᴗ◕)", "(◕‿◕✿)", "(✿◕‿◕)"),
}


class KawaiiSpinner:
    """Writes to the standard output as it was at construction; may be used from any thread."""

    def __init__(self, message: str = "", spinner_type: str = "dots") -> None:
        self._out: Any = sys.stdout
        self._frames = FRAMES.get(spinner_type, FRAMES["dots"])
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.message = message
        self.running = False
        self.frame_idx = 0
        self.last_line_len = 0
        self._began = self._flushed = 0.0

    def __enter__(self) -> KawaiiSpinner:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to turn; does nothing where it turns already."""
        with self._lock:
            if self.running:
                return
            self.running = True
            self._stopped.clear()
            self._began = time.monotonic()
            self._thread = threading.Thread(target=self._turn, name="spinner", daemon=True)
            self._thread.start()

    def update_text(self, message: str) -> None:
        """Change the text beside the spinner."""
        with self._lock:
            self.message = message

    def print_above(self, text: str) -> None:
        """Print a line of its own above the spinner."""
        with self._lock:
            if self.running:
                self._write("\r" + " " * self.last_line_len + "\r" + text + "\n", flush=True)
            else:
                self._write(text + "\n", flush=True)

    def stop(self, final_message: str | None = None) -> None:
        """End, clear the line, print the last word. The thread is gone when this returns."""
        with self._lock:
            thread, self._thread = self._thread, None
            was_running, self.running = self.running, False
        self._stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            if was_running:
                self._write("\r" + " " * self.last_line_len + "\r", flush=True)
            if final_message:
                self._write(final_message + "\n", flush=True)

    def _turn(self) -> None:
        while not self._stopped.is_set():
            if not os.environ.get("HERMES_SPINNER_PAUSE"):
                with self._lock:
                    if self.running:
                        self._frame()
            self._stopped.wait(INTERVAL_S)

    def _frame(self) -> None:
        now = time.monotonic()
        frame = self._frames[self.frame_idx % len(self._frames)]
        self.frame_idx += 1
        line = f"  {frame} {self.message} ({now - self._began:.1f}s)"
        due = now - self._flushed >= FLUSH_EVERY_S
        self._write("\r" + line.ljust(self.last_line_len), flush=due)
        self.last_line_len = len(line)
        if due:
            self._flushed = now

    def _write(self, text: str, *, flush: bool) -> None:
        try:
            self._out.write(text)
            if flush:
                self._out.flush()
        except (ValueError, OSError):  # The terminal is gone: nothing to show it on.
            pass
