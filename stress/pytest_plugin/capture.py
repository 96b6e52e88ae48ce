"""Crash capture for pytest: what runs in the process of the tests, and in xdist's controller."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from stress.parallel.files import TrialFiles
from stress.parallel.flight_recorder import FlightRecorder, enrol_started_threads
from stress.pytest_plugin.crash import describe_crash
from stress.trial import Recorder

_DIRECTORY_KEY = "stress_capture_directory"
_LONGREPR_CHARACTERS_MAX = 20_000
_GOODBYE_TIMEOUT_S = 10.0


def register(config: pytest.Config) -> None:
    """Capture in this process: a worker of xdist, its controller, or the only one there is."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        directory = Path(given[_DIRECTORY_KEY]) / given["workerid"]
        config.pluginmanager.register(Capture(directory, None), Capture.__name__)
        return
    directory = Path(tempfile.mkdtemp(prefix="stress-capture-"))
    if config.getoption("dist", "no") != "no":
        config.pluginmanager.register(Controller(directory))
    else:
        watcher = Watcher(directory, config.option.xmlpath)
        config.pluginmanager.register(Capture(directory / "main", watcher), Capture.__name__)


def recorder_of(config: pytest.Config) -> Recorder:
    """The flight recorder of this process."""
    capture = config.pluginmanager.get_plugin(Capture.__name__)
    assert isinstance(capture, Capture)
    return capture.recorder


class Watcher:
    """Our end of the process that reports our death. See `stress.pytest_plugin.watcher`."""

    def __init__(self, directory: Path, junit: str | None) -> None:
        """Start it. It inherits the terminal: pytest captures nothing while it is configured."""
        self._directory = directory
        path = str(Path(junit).expanduser().absolute()) if junit else ""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "stress.pytest_plugin.watcher"),
                *(str(directory), str(os.getpid()), path),
            ],
            stdin=subprocess.PIPE,
        )

    def tell(self, **message: Any) -> None:
        """Tell it one thing. Where it is gone, nobody will miss what we had to say."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass

    def dismiss(self) -> None:
        """Say that our end will be an orderly one, and wait for it to go."""
        self.tell(said="goodbye")
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(_GOODBYE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


class Capture:
    """Records which test this process is at, and has every thread's stack written if it dies."""

    def __init__(self, directory: Path, watcher: Watcher | None) -> None:
        """Make the files in `directory`."""
        directory.mkdir(parents=True)
        files = TrialFiles(directory)
        self.recorder = FlightRecorder.create(files.recorder, 0)
        self._watcher = watcher
        self._dump = files.dump.open("wb", buffering=0)
        self._restore_threads = enrol_started_threads(self.recorder)
        self._tests = 0

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Send dumps to our file: not earlier, because pytest's own plugin would take them back."""
        faulthandler.enable(self._dump, all_threads=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Record one test."""
        if self._watcher:
            self._watcher.tell(said="begins", test=item.nodeid)
        with self.recorder.operation(self._tests, item.nodeid):
            self._tests += 1
            outcome = yield
        if self._watcher:
            self._watcher.tell(said="ends", test=item.nodeid)
        return outcome

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        """Note that the set-up is over."""
        self.recorder.note("call")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        """Note that the test itself is over."""
        self.recorder.note("teardown")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Let the watcher know what it would have to put into the JUnit file."""
        if self._watcher:
            self._watcher.tell(
                said="report",
                test=report.nodeid,
                when=report.when,
                outcome=report.outcome,
                duration_s=report.duration,
                text=_text(report),
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Leave the process as it was; pytest's own plugin puts faulthandler back after us."""
        self._restore_threads()
        faulthandler.disable()
        self._dump.close()
        if self._watcher:
            self._watcher.dismiss()


class Controller:
    """Where workers of xdist put their files, and what becomes of them when one crashed."""

    def __init__(self, directory: Path) -> None:
        """`directory` is removed in the end."""
        self._directory = directory

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where its files go."""
        node.workerinput[_DIRECTORY_KEY] = str(self._directory)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """Put what is known into the report of the test, from where it reaches the JUnit file."""
        files = TrialFiles(self._directory / report.node.gateway.id)
        report.longrepr = describe_crash(str(report.longrepr), files, crashitem)
        # xdist cannot know when it died; the JUnit file would say that the set-up failed.
        report.when = "call"

    def pytest_unconfigure(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _text(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    return report.longreprtext[-_LONGREPR_CHARACTERS_MAX:]
