"""Output that goes to wherever  points at the moment."""

from __future__ import annotations

import contextlib
import io
import sys
import threading

from tests.corpus.case import WRONG, Case, together


class Report:
    """Prints into a buffer of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.buffer = io.StringIO()

    def redirect(self) -> None:
        with contextlib.redirect_stdout(self.buffer):
            print(self.text, end="")
        assert self.buffer.getvalue() == self.text

    def print(self) -> None:
        print(self.text, end="", file=self.buffer)
        assert self.buffer.getvalue() == self.text


def redirected_by_threads() -> None:
    """There is one `sys.stdout` for all."""
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        together(Report("a").redirect, Report("b").redirect)
    finally:
        sys.stdout = stdout


def redirected_in_turn() -> None:
    lock = threading.Lock()

    def work(report: Report) -> None:
        with lock:
            report.redirect()

    together(lambda: work(Report("a")), lambda: work(Report("b")))


def printed_to_a_file() -> None:
    together(Report("a").print, Report("b").print)


CASES = (
    Case(redirected_by_threads, WRONG, "output.py:redirect", preemptions=2),
    Case(redirected_in_turn),
    Case(printed_to_a_file),
)
