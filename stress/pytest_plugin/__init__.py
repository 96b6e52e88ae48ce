"""The pytest plugin: options in, one call, report out. Imports the tool only where it is asked for.

`--stress-capture` makes a test that kills its process (SIGSEGV, SIGKILL, `os._exit`) leave what a
failed test leaves: its name, the stacks, the last operations and how to run it again, on the
terminal and in the JUnit file, in plain pytest and under xdist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stress.trial import Recorder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    parser.getgroup("stress", "finding concurrency bugs").addoption(
        "--stress-capture",
        action="store_true",
        help="report a test that kills its process like one that fails",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Turn on what was asked for."""
    if config.getoption("stress_capture") and not config.option.collectonly:
        from stress.pytest_plugin.capture import register

        register(config)


@pytest.fixture
def stress_recorder(request: pytest.FixtureRequest) -> Recorder:
    """Where a test may record its operations; they are in the report if the process dies."""
    if not request.config.getoption("stress_capture"):
        from stress.trial import NullRecorder

        return NullRecorder()
    from stress.pytest_plugin.capture import recorder_of

    return recorder_of(request.config)
