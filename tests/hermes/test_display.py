"""What is written to the terminal: the spinner and the safe streams."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hermes import spinner as spinner_module
from hermes.safe_stdio import _install_safe_stdio, _SafeWriter
from hermes.spinner import KawaiiSpinner


class Out(io.StringIO):
    """Counts flushes, and can lose its reader."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0
        self.gone: type[Exception] | None = None

    def write(self, text: str) -> int:
        if self.gone:
            raise self.gone("nobody reads")
        return super().write(text)

    def flush(self) -> None:
        self.flushes += 1
        if self.gone:
            raise self.gone("nobody reads")


def take_stdout(monkeypatch: pytest.MonkeyPatch) -> Out:
    """Put an Out in place of sys.stdout. Not a fixture: pytest's capture sets it for each phase."""
    stream = Out()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(spinner_module, "INTERVAL_S", 0.01)
    return stream


def test_a_spinner_turns_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    out = take_stdout(monkeypatch)
    with KawaiiSpinner("thinking") as spinner:
        deadline = time.monotonic() + 20
        while spinner.frame_idx < 5:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        spinner.update_text("still")
        spinner.print_above("a line")
        while "still" not in out.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.005)
    text = out.getvalue()
    assert re.search(r"\r  ⠋ thinking \(0\.0s\)", text)
    assert "\ra line\n" in text
    assert re.search(r"\r +\r$", text)
    # Cleared to the longest line that stood there.
    assert not spinner.running
    assert out.flushes < spinner.frame_idx + 4


def test_a_final_word(monkeypatch: pytest.MonkeyPatch) -> None:
    out = take_stdout(monkeypatch)
    spinner = KawaiiSpinner("thinking", "line")
    spinner.stop("never started")
    spinner.start()
    spinner.start()
    spinner.stop("done")
    spinner.stop()
    assert out.getvalue().startswith("never started\n")
    assert out.getvalue().endswith("\rdone\n")
    assert not any(thread.name == "spinner" for thread in threading.enumerate())


def test_lines_of_a_spinner_that_does_not_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    out = take_stdout(monkeypatch)
    KawaiiSpinner("thinking").print_above("a line")
    assert out.getvalue() == "a line\n"


def test_a_paused_spinner_writes_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    out = take_stdout(monkeypatch)
    monkeypatch.setenv("HERMES_SPINNER_PAUSE", "1")
    with KawaiiSpinner("thinking") as spinner:
        time.sleep(0.05)
    assert "thinking" not in out.getvalue()
    assert spinner.frame_idx == 0


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_terminal_that_is_gone_harms_nothing(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    out = take_stdout(monkeypatch)
    with KawaiiSpinner("thinking") as spinner:
        out.gone = error
        spinner.print_above("lost")
        time.sleep(0.03)
    assert not any(thread.name == "spinner" for thread in threading.enumerate())


def test_a_spinner_writes_to_the_stream_of_its_construction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = take_stdout(monkeypatch)
    spinner = KawaiiSpinner("thinking")
    other = Out()
    monkeypatch.setattr(sys, "stdout", other)
    with spinner:
        time.sleep(0.02)
    assert "thinking" in out.getvalue()
    assert other.getvalue() == ""


@pytest.mark.repeat(3)
def test_threads_that_use_one_spinner_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out = take_stdout(monkeypatch)
    spinner = KawaiiSpinner("thinking")

    def use(number: int) -> None:
        for index in range(50):
            spinner.print_above(f"<{number}.{index}>")
            spinner.update_text(f"{number}.{index}")
            if number == 0 and index % 10 == 0:
                spinner.stop()
                spinner.start()

    spinner.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    spinner.stop()
    found = re.findall(r"<\d+\.\d+>\n", out.getvalue())
    assert sorted(found) == sorted(f"<{n}.{i}>\n" for n in range(4) for i in range(50))
    assert not any(thread.name == "spinner" for thread in threading.enumerate())


# -- safe streams -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_safe_writer_swallows_what_a_lost_reader_raises(error: type[Exception]) -> None:
    out = Out()
    writer = _SafeWriter(out)
    assert writer.write("kept") == 4
    writer.flush()
    out.gone = error
    assert writer.write("lost") == 4
    writer.flush()
    assert out.getvalue() == "kept"


def test_other_errors_come_through() -> None:
    out = Out()
    out.gone = RuntimeError
    with pytest.raises(RuntimeError):
        _SafeWriter(out).write("x")


def test_whatever_else_is_the_streams() -> None:
    out = Out()
    writer = _SafeWriter(out)
    writer.write("text")
    assert writer.getvalue() == "text"
    assert writer.isatty() is False
    out.close()
    assert writer.isatty() is False


def test_streams_are_wrapped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Out(), Out()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    barrier = threading.Barrier(8)

    def install(_: int) -> Any:
        barrier.wait(20)
        _install_safe_stdio()
        return sys.stdout

    with ThreadPoolExecutor(8) as pool:
        installed = list(pool.map(install, range(8)))
    assert len({id(stream) for stream in installed}) == 1
    assert isinstance(sys.stdout, _SafeWriter)
    assert sys.stdout._inner is out
    assert sys.stderr._inner is err


def test_no_streams_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    _install_safe_stdio()
    assert (sys.stdout, sys.stderr) == (None, None)
