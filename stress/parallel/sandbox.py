"""The inside of a sandbox: what the forked process of one trial does, from its fork to its end."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from stress.parallel import linux
from stress.parallel.files import TrialFiles
from stress.parallel.flight_recorder import FlightRecorder, enrol_started_threads
from stress.parallel.noise import Noise
from stress.trial import Recorder, Trial

Program: TypeAlias = Callable[[Trial, Recorder], Mapping[str, Any]]

#: Exit code of a sandbox that could not be set up; its report says why.
FAULT_EXIT_CODE = 70
_TRACEBACK_CHARACTERS_MAX = 65_536
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What a host is told at its start, as JSON on its first line. See `Supervisor`."""

    program: str
    trial_timeout_s: float
    memory_limit_mib: int | None = None
    noise: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    path: Sequence[str] = ()


def run_trial(program: Program, trial: Trial, directory: Path, settings: HostSettings) -> NoReturn:
    """Become the sandbox of `trial`. To be called in a process just forked; never returns."""
    files = TrialFiles(directory)
    try:
        linux.die_with_parent(os.getppid())
        recorder = _set_up(files, trial, settings)
    except BaseException:
        _write(files.report, _envelope("fault", {"error": traceback.format_exc()}))
        os._exit(FAULT_EXIT_CODE)
    streams = (sys.stdout, sys.stderr)
    process = os.getpid()
    exit_code = 0
    outcome: bytes | None = None
    try:
        outcome = _envelope("finished", dict(program(trial, recorder)))
    except SystemExit as stop:
        exit_code = _exit_code(stop)
    except BaseException as error:
        _lift_memory_limit()
        outcome = _envelope("raised", _described(error))
    if os.getpid() != process:
        # A fork of the program came out of it: it has no trial to report.
        os._exit(exit_code)
    for stream in streams:
        with suppress(OSError, ValueError):
            stream.flush()
    if outcome is not None:
        exit_code = _write(files.report, outcome)
    os._exit(exit_code)


def _set_up(files: TrialFiles, trial: Trial, settings: HostSettings) -> Recorder:
    os.setsid()
    for path, descriptor in ((files.stdout, 1), (files.stderr, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    dump = os.open(files.dump, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    faulthandler.enable(dump, all_threads=True)
    faulthandler.register(signal.SIGUSR1, dump, all_threads=True)
    files.work.mkdir()
    os.environ["STRESS_TRIAL_DIRECTORY"] = str(files.work)
    random.seed(trial.seed)
    recorder = FlightRecorder.create(files.recorder, trial.seed)
    enrol_started_threads(recorder)
    if settings.memory_limit_mib is not None:
        _limit_memory(settings.memory_limit_mib)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if not settings.noise:
        return recorder
    noise = Noise.draw(trial.seed)
    noise.apply()
    return noise.wrap(recorder)


def _limit_memory(limit_mib: int) -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + limit_mib * _MIB
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _lift_memory_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _exit_code(stop: SystemExit) -> int:
    """What the interpreter would make of it."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    with suppress(OSError, ValueError):
        print(stop.code, file=sys.stderr)
    return 1


def _described(error: BaseException) -> dict[str, str]:
    # The outermost frame is ours.
    shown = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    text = "".join(traceback.format_exception(shown))
    try:
        message = str(error)
    except Exception as failure:
        message = f"(its text cannot be told: {type(failure).__name__})"
    return {
        "error": message,
        "error_type": type(error).__qualname__,
        "traceback": text[-_TRACEBACK_CHARACTERS_MAX:],
    }


def _envelope(outcome: str, report: Mapping[str, Any]) -> bytes:
    return json.dumps({"outcome": outcome, "report": report}).encode()


def _write(path: Path, outcome: bytes) -> int:
    """Put the report in its place in one piece; the exit code: 0, or 1 where that failed."""
    try:
        partial = path.with_suffix(".partial")
        partial.write_bytes(outcome)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
        return 1
    return 0
