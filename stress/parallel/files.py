"""The files of one trial: where the sandbox writes, and where the supervisor reads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """Paths below the trial's own directory. `work` is the program's, the others are ours."""

    directory: Path

    @property
    def stdout(self) -> Path:
        """What the trial wrote to file descriptor 1."""
        return self.directory / "stdout.txt"

    @property
    def stderr(self) -> Path:
        """What the trial wrote to file descriptor 2."""
        return self.directory / "stderr.txt"

    @property
    def dump(self) -> Path:
        """What faulthandler wrote."""
        return self.directory / "faulthandler.txt"

    @property
    def recorder(self) -> Path:
        """The flight recorder."""
        return self.directory / "recorder.bin"

    @property
    def report(self) -> Path:
        """The outcome as JSON; there only if the program came to an end that can be told."""
        return self.directory / "report.json"

    @property
    def work(self) -> Path:
        """The temporary directory of the program, removed after the trial."""
        return self.directory / "work"


def read_tail(path: Path, bytes_max: int) -> str:
    """The end of a text file, at most `bytes_max` bytes of it; empty where it is missing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_max))
            return file.read(bytes_max).decode("utf-8", "replace")
    except OSError:
        return ""
