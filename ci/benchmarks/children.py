"""Child processes of the benchmarks, and how they are talked to."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent.parent
_LAUNCHER = "import sys; from frontrun.cli import main; sys.exit(main())"


def peer_is_installed() -> bool:
    """Whether frontrun can be had; it is not imported: that replaces locks."""
    return importlib.util.find_spec("frontrun") is not None


def environment() -> dict[str, str]:
    """With the benchmarks to be found by children, before what is found already."""
    found = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOM), found]))}


@contextmanager
def child(module: str, *arguments: str, under_peer: bool = False) -> Iterator[Child]:
    """`python -m module` with these arguments, under the launcher of frontrun if asked for."""
    command = [sys.executable, "-m", module, *arguments]
    if under_peer:
        command = [sys.executable, "-c", _LAUNCHER, *command]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # The launcher has a child of its own: they are ended together.
        start_new_session=True,
    ) as process:
        try:
            yield Child(process, (module, *arguments))
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Child:
    """A running child, that writes lines of JSON."""

    def __init__(self, process: subprocess.Popen[str], name: Sequence[str]) -> None:
        self._process = process
        self._name = " ".join(name)

    def ask(self, question: str) -> dict[str, Any]:
        """Write a line, and read the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{question}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._died()
        return self.read()

    def ask_in_time(self, question: str, limit_s: float) -> dict[str, Any] | None:
        """The same, or None where no answer comes in so many seconds: then it is ended."""
        timer = threading.Timer(limit_s, _kill, [self._process])
        timer.start()
        try:
            return self.ask(question)
        except SystemExit:
            return None
        finally:
            timer.cancel()

    def read(self) -> dict[str, Any]:
        """The next line of JSON. Raises SystemExit with what it wrote where the child died."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        return self._died()

    def _died(self) -> dict[str, Any]:
        assert self._process.stderr is not None
        raise SystemExit(f"{self._name} died:\n{self._process.stderr.read()[-2000:]}")
