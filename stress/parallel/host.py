"""A host: a warm, single-threaded process that forks a sandbox for every trial it is given.

`python -m stress.parallel.host` reads its settings and then one trial a line from its standard
input, and answers each with one line on its standard output. It enforces the deadline, reaps
everything that a trial leaves behind, and ends with all of that when its standard input closes.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.parallel import linux
from stress.parallel.files import TrialFiles
from stress.parallel.sandbox import FAULT_EXIT_CODE, HostSettings, Program, run_trial
from stress.trial import Trial

#: Importing the program may take this long, in seconds.
START_TIMEOUT_S = 120
#: How long a hung trial is given to write its dump, for each of the two signals, in seconds.
DUMP_TIMEOUT_S = 0.5
#: What a trial prints beyond this is cut from the front, in bytes.
OUTPUT_BYTES_MAX = 64 * 1024 * 1024
_WATCH_INTERVAL_S = 0.5
_DUMP_POLL_S = 0.01


class _Refused(Exception):
    """The program cannot be run here; the message is for the user."""


class _SupervisorGone(Exception):
    """Our standard input was closed while a trial ran."""


@dataclass(frozen=True)
class _Host:
    """The descriptors and children of this process. `own` are children that are not a trial's."""

    requests: io.BufferedReader
    answers: int
    settings: HostSettings
    program: Program
    own: frozenset[int]

    def serve(self) -> None:
        """Run trials until there are no more requests."""
        while line := self.requests.readline():
            request = json.loads(line)
            trial = Trial(request["index"], request["seed"], request["payload"])
            directory = Path(request["directory"])
            directory.mkdir()
            began = time.monotonic()
            process = os.fork()
            if process == 0:
                try:
                    self.requests.close()
                    os.close(self.answers)
                    run_trial(self.program, trial, directory, self.settings)
                finally:
                    # Whatever happened, a sandbox must not go on as a host.
                    os._exit(FAULT_EXIT_CODE)
            files = TrialFiles(directory)
            hung = self._watch(process, began + self.settings.trial_timeout_s, files)
            duration_s = time.monotonic() - began
            status = self._clean_up(process, files)
            _answer(
                self.answers,
                {
                    "said": "ended",
                    "trial": trial.index,
                    "status": status,
                    "hung": hung,
                    "duration_s": duration_s,
                },
            )

    def _watch(self, process: int, deadline: float, files: TrialFiles) -> bool:
        """Wait for the end of the trial, or make it end at the deadline; whether we had to."""
        ended = linux.open_process(process)
        poller = select.poll()
        poller.register(ended, select.POLLIN)
        poller.register(self.requests, select.POLLIN)
        try:
            while True:
                left_s = deadline - time.monotonic()
                ready = {
                    fd for fd, _ in poller.poll(1000 * max(0.0, min(left_s, _WATCH_INTERVAL_S)))
                }
                if ended in ready:
                    return False
                if ready:
                    # Nothing is asked of us while a trial runs: this is the end of the requests.
                    self._clean_up(process, files)
                    raise _SupervisorGone
                if left_s <= 0:
                    _take_dump(process, ended, files.dump)
                    return True
                _trim(files.stdout)
                _trim(files.stderr)
        finally:
            os.close(ended)

    def _clean_up(self, process: int, files: TrialFiles) -> int:
        """End the trial's process and all that it started; the wait status of the trial's."""
        # Before the process is reaped, so that its number still means its group.
        linux.kill_group(process)
        linux.kill(process)
        status = os.waitpid(process, 0)[1]
        linux.end_children(self.own)
        shutil.rmtree(files.work, ignore_errors=True)
        return status


def _take_dump(process: int, ended: int, dump: Path) -> None:
    """Have every thread's stack written; with SIGABRT where SIGUSR1 shows nothing."""
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    linux.kill(process, signal.SIGCONT)
    for number in (signal.SIGUSR1, signal.SIGABRT):
        linux.kill(process, number)
        deadline = time.monotonic() + DUMP_TIMEOUT_S
        size = 0
        while time.monotonic() < deadline:
            if poller.poll(1000 * _DUMP_POLL_S):
                return
            before, size = size, dump.stat().st_size if dump.exists() else 0
            if size and size == before:
                return


def _trim(path: Path) -> None:
    """Bound what a trial can print: the file is opened for appending, so it may be emptied."""
    try:
        if path.stat().st_size > OUTPUT_BYTES_MAX:
            os.truncate(path, 0)
    except OSError:
        pass


def _load(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:
        raise _Refused(
            f"cannot import {module_name!r} of program {name!r}: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, function_name, None)
    if not callable(found):
        raise _Refused(f"program {name!r} names no function; name it as module:function")
    return found  # type: ignore[no-any-return]


def _prepare(settings: HostSettings) -> Program:
    """Import the program, call its hook, and make this process ready to be forked."""
    sys.path.extend(entry for entry in settings.path if entry not in sys.path)
    program = _load(settings.program)
    hook = settings.settings.get("prepare")
    if hook:
        prepare = _load(hook)
        try:
            prepare()
        except BaseException as error:
            raise _Refused(f"{hook!r} failed: {type(error).__name__}: {error}") from error
    running = [thread.name for thread in threading.enumerate()[1:]]
    if running:
        raise _Refused(
            f"importing program {settings.program!r} started threads ({', '.join(running)}), and a "
            "process with threads cannot be forked safely; start them inside the program"
        )
    gc.collect()
    gc.freeze()
    return program


def _answer(descriptor: int, message: Mapping[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def main() -> int:
    """Serve until standard input closes. Whatever the program prints goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        # What a trial printed must be in its file when it crashes.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    line = requests.readline()
    if not line:
        return 0
    settings = HostSettings(**json.loads(line))
    linux.adopt_orphans()
    # Nobody would notice a program that hangs on import once our supervisor is gone.
    signal.alarm(START_TIMEOUT_S)
    try:
        program = _prepare(settings)
    except _Refused as refusal:
        _answer(answers, {"said": "refused", "error": str(refusal)})
        return 0
    signal.alarm(0)
    try:
        _answer(answers, {"said": "ready"})
        _Host(requests, answers, settings, program, linux.children()).serve()
    except (_SupervisorGone, BrokenPipeError):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
