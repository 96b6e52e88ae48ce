"""The report of a test whose process died, from the files that it left."""

from __future__ import annotations

import os
import shlex

from stress.parallel.dump import fatal_error, parse_dump
from stress.parallel.files import TrialFiles, read_tail
from stress.parallel.flight_recorder import read_flight
from stress.report.console import render_crash

_OPERATIONS_MAX = 60
_DUMP_BYTES_MAX = 1024 * 1024


def describe_crash(title: str, files: TrialFiles, test: str) -> str:
    """What is known of a process that died in `test` (empty outside of one)."""
    flight = read_flight(files.recorder)
    dump = read_tail(files.dump, _DUMP_BYTES_MAX)
    cause = fatal_error(dump) or "no dump: SIGKILL, or an exit that nobody could see (os._exit)"
    return render_crash(
        f"{title}\n{cause}",
        threads=parse_dump(dump, flight.threads),
        operations=flight.operations[-_OPERATIONS_MAX:],
        command=_command(test),
    )


def _command(test: str) -> str:
    seed = os.environ.get("PYTHONHASHSEED", "random")
    prefix = "" if seed == "random" else f"PYTHONHASHSEED={seed} "
    return f"{prefix}pytest --stress-capture {shlex.quote(test)}".strip()
