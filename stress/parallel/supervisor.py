"""The supervisor: keeps hosts busy with trials, and has exactly one record for each of them."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from stress.errors import HarnessFault, InvalidArgument
from stress.parallel import linux
from stress.parallel.files import TrialFiles, read_tail
from stress.parallel.flight_recorder import read_flight
from stress.parallel.host import START_TIMEOUT_S
from stress.parallel.record import ended_record, lost_record
from stress.parallel.sandbox import HostSettings
from stress.trial import Condition, Trial, TrialRecord

#: A host that says nothing for this long after the deadline of its trial is ended, in seconds.
OVERDUE_S = 15.0
_TICK_S = 0.1
_END_TIMEOUT_S = 3.0
_STDERR_BYTES_MAX = 4096


@dataclass(eq=False)
class _Host:
    """A host process and what it is at. `trial` is None before it is ready and between trials."""

    process: subprocess.Popen[bytes]
    stderr: Path
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    overdue: bool = False
    trial: Trial | None = None
    files: TrialFiles | None = None
    received: bytes = b""


class Supervisor:
    """Runs a program in sandbox processes, one trial each; a context manager.

    `program` is `module:function`, called with a `Trial` and a `Recorder` in a forked process;
    it returns a JSON mapping. `settings` may hold `prepare` (`module:function`, called once in
    each host before the first trial) and `keep` (the key of the report that, where it holds
    something, makes the record of a finished trial carry its evidence; `*` for every trial).
    `memory_limit_mib` is the address space that a trial may take beyond what its host has.
    `directory` is made, and receives the files of trials that did not finish; its owner removes
    it. `environment` is added to that of the hosts.

    Entering raises InvalidArgument where the program cannot be imported, and HarnessFault where
    a host cannot start.
    """

    def __init__(
        self,
        program: str,
        *,
        directory: Path,
        settings: Mapping[str, Any] | None = None,
        jobs: int = 1,
        trial_timeout_s: float = 30.0,
        memory_limit_mib: int | None = None,
        noise: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Only store; nothing is started before the context is entered."""
        if jobs < 1:
            raise InvalidArgument(f"jobs is {jobs}; it must be at least 1")
        if trial_timeout_s <= 0:
            raise InvalidArgument(f"trial_timeout_s is {trial_timeout_s}; it must be above 0")
        if memory_limit_mib is not None and memory_limit_mib < 1:
            raise InvalidArgument(f"memory_limit_mib is {memory_limit_mib}; it must be at least 1")
        self._settings = HostSettings(
            program=program,
            trial_timeout_s=trial_timeout_s,
            memory_limit_mib=memory_limit_mib,
            noise=noise,
            settings=dict(settings or {}),
            path=[entry or str(Path.cwd()) for entry in sys.path],
        )
        self._keep = str(self._settings.settings.get("keep") or "")
        self._jobs = jobs
        self._directory = directory.absolute()
        # Without this, the order of sets would differ from one run of a seed to the next.
        self._environment = {"PYTHONHASHSEED": "0", **os.environ, **(environment or {})}
        self._selector = selectors.DefaultSelector()
        self._hosts: list[_Host] = []
        self._hosts_started = 0
        self._trials_sent = 0
        # Trials that were pulled but never begun, because their host was gone.
        self._returned: deque[Trial] = deque()

    def __enter__(self) -> Supervisor:
        """Start the hosts and wait until the first is ready."""
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            self._start_hosts()
            while not any(host.ready for host in self._hosts):
                self._handle(_TICK_S)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the hosts and what they run."""
        self.close()

    def close(self) -> None:
        """End every host, with the trial that it runs. May be called twice."""
        hosts, self._hosts = self._hosts, []
        for host in hosts:
            self._forget(host)
            if not host.ready:
                # It may be deep in an import, where it does not see the end of its requests.
                host.process.kill()
        deadline = time.monotonic() + _END_TIMEOUT_S
        for host in hosts:
            try:
                host.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                host.process.kill()
                host.process.wait()
                _end_trial(host)

    def run(
        self, trials: Iterable[Trial], *, tick: Callable[[], None] | None = None
    ) -> Iterator[TrialRecord]:
        """One record for every trial, in order of completion; pulls a trial when a host is free.

        `tick` is called at least every 0.2 s while this waits. Closing the iterator ends the
        trials in flight. Raises HarnessFault where a host cannot start or a sandbox fails.
        """
        pending = iter(trials)
        ticked = 0.0
        self._returned.clear()
        self._start_hosts()
        try:
            while self._feed(pending) or self._returned or self._is_busy():
                if tick is not None and time.monotonic() - ticked >= _TICK_S:
                    ticked = time.monotonic()
                    tick()
                ended = self._handle(_TICK_S)
                # The next trials begin before the caller looks at the last ones.
                self._feed(pending)
                for finish in ended:
                    yield finish()
        finally:
            if self._is_busy():
                self.close()

    def _is_busy(self) -> bool:
        return any(host.trial for host in self._hosts)

    def _feed(self, pending: Iterator[Trial]) -> bool:
        """Give every free host a trial; False when there are no more to pull."""
        for host in list(self._hosts):
            if not host.ready or host.trial is not None:
                continue
            trial = self._returned.popleft() if self._returned else next(pending, None)
            if trial is None:
                return False
            if not self._send(host, trial):
                self._returned.append(trial)
                self._replace(host)
        return True

    def _send(self, host: _Host, trial: Trial) -> bool:
        """Ask a host to run a trial; False where it is gone."""
        self._trials_sent += 1
        directory = self._directory / f"trial-{self._trials_sent:06}"
        request = {**asdict(trial), "directory": str(directory)}
        if not _write_line(host, request):
            return False
        host.trial, host.files, host.began = trial, TrialFiles(directory), time.monotonic()
        return True

    def _handle(self, timeout_s: float) -> list[Callable[[], TrialRecord]]:
        """Wait for hosts and hear them; what makes the records of the trials that ended."""
        ended: list[Callable[[], TrialRecord]] = []
        for key, _ in self._selector.select(timeout_s):
            host: _Host = key.data
            data = os.read(key.fd, 65_536)
            if not data:
                ended += self._lose(host)
            *lines, host.received = (host.received + data).split(b"\n")
            for line in lines:
                ended += self._hear(host, json.loads(line))
        self._end_overdue()
        return ended

    def _hear(self, host: _Host, message: dict[str, Any]) -> Iterator[Callable[[], TrialRecord]]:
        match message["said"]:
            case "ready":
                host.ready = True
            case "refused":
                raise InvalidArgument(message["error"])
            case "ended" if host.trial and host.files:
                yield partial(
                    ended_record,
                    host.trial,
                    host.files,
                    message["status"],
                    message["hung"],
                    message["duration_s"],
                    self._keep,
                )
                host.trial = host.files = None

    def _lose(self, host: _Host) -> Iterator[Callable[[], TrialRecord]]:
        """A host is gone: put another in its place, and account for its trial."""
        code = host.process.wait()
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"
        if not host.ready:
            said = read_tail(host.stderr, _STDERR_BYTES_MAX).strip()
            raise HarnessFault(f"a sandbox host {how} at its start: {said or 'it said nothing'}")
        if host.trial and host.files:
            _end_trial(host)
            yield partial(
                lost_record,
                host.trial,
                host.files,
                Condition.HUNG if host.overdue else Condition.CRASHED,
                time.monotonic() - host.began,
                "the sandbox host gave no answer after the deadline and was ended"
                if host.overdue
                else f"the sandbox host was lost with this trial: it {how}",
            )
        self._replace(host)

    def _end_overdue(self) -> None:
        """End hosts that do not enforce the deadline, or do not start: something stopped them."""
        now = time.monotonic()
        for host in self._hosts:
            timeout_s = self._settings.trial_timeout_s if host.ready else START_TIMEOUT_S
            is_late = now - host.began > timeout_s + OVERDUE_S
            if is_late and (host.trial or not host.ready) and not host.overdue:
                host.overdue = True
                host.process.kill()

    def _start_hosts(self) -> None:
        while len(self._hosts) < self._jobs:
            self._start_host()

    def _start_host(self) -> None:
        self._hosts_started += 1
        stderr = self._directory / f"host-{self._hosts_started:03}.txt"
        with stderr.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "stress.parallel.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                # A terminal's Ctrl-C is for us: a host ends when its requests do.
                start_new_session=True,
                env=self._environment,
            )
        host = _Host(process, stderr)
        self._hosts.append(host)
        self._selector.register(_pipe(process.stdout), selectors.EVENT_READ, host)
        # Where it is gone already, the end of its answers tells.
        _write_line(host, asdict(self._settings))

    def _replace(self, host: _Host) -> None:
        self._hosts.remove(host)
        self._forget(host)
        host.process.wait()
        self._start_hosts()

    def _forget(self, host: _Host) -> None:
        self._selector.unregister(_pipe(host.process.stdout))
        for pipe in (host.process.stdin, host.process.stdout):
            try:
                _pipe(pipe).close()
            except BrokenPipeError:
                pass


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise HarnessFault("a sandbox host was started without a pipe")
    return pipe


def _write_line(host: _Host, message: Mapping[str, Any]) -> bool:
    pipe = _pipe(host.process.stdin)
    try:
        pipe.write(json.dumps(message).encode() + b"\n")
        pipe.flush()
    except BrokenPipeError:
        return False
    return True


def _end_trial(host: _Host) -> None:
    """End what is left of the trial of a host that is gone. The trial itself dies with it."""
    if host.files is None:
        return
    process = read_flight(host.files.recorder).process
    if process:
        linux.kill_group(process)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
