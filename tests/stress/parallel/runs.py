"""Runs the programs beside this file under a supervisor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stress.parallel.supervisor import Supervisor
from stress.trial import Trial, TrialRecord

PROGRAMS = "tests.stress.parallel.programs"
LONG_S = 60.0


@contextmanager
def supervising(directory: Path, program: str, **options: Any) -> Iterator[Supervisor]:
    options = {"trial_timeout_s": LONG_S, "noise": False, **options}
    with Supervisor(f"{PROGRAMS}:{program}", directory=directory / "sandbox", **options) as found:
        yield found


def run_one(
    directory: Path, program: str, payload: Mapping[str, Any] | None = None, **options: Any
) -> TrialRecord:
    (record,) = run_many(directory, program, [payload or {}], **options)
    return record


def run_many(
    directory: Path, program: str, payloads: list[Mapping[str, Any]], **options: Any
) -> list[TrialRecord]:
    with supervising(directory, program, **options) as supervisor:
        return list(supervisor.run(Trial(n, 1000 + n, p) for n, p in enumerate(payloads)))


def innermost(record: TrialRecord) -> dict[str, str]:
    """The innermost function of each thread of the dump."""
    return {stack.thread: stack.frames[0].function for stack in record.threads if stack.frames}


def phases(record: TrialRecord) -> list[tuple[str, str, str]]:
    return [(op.thread, op.phase, op.name) for op in record.operations]


def exists(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never so: {what}"
        time.sleep(0.02)


def marked(mark: str) -> set[int]:
    """Every living process that was started, or comes from one started, with `mark` in its
    environment."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environment and exists(int(entry.name)):
                found.add(int(entry.name))
    return found
