"""Crash capture in real sub-runs of pytest, plain and under xdist."""

from __future__ import annotations

import os
import signal
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.stress.parallel.runs import wait_until

pytest_plugins = ["pytester"]

SUITE = """
import os, signal, threading
import pytest

def test_passes():
    pass

def test_fails():
    assert "one" == "two"

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass

def overflow_c_stack():
    nested = None
    for _ in range(1_000_000):
        nested = (nested,)
    hash(nested)

def test_crashes(stress_recorder):
    release = threading.Event()
    begun = threading.Event()
    def wait_here():
        begun.set()
        release.wait()
    threading.Thread(target=wait_here, name="bystander", daemon=True).start()
    begun.wait()
    with stress_recorder.operation(7, "hash.deep"):
        overflow_c_stack()

def test_passes_later():
    pass
"""


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Sub-runs with our plugin, xdist and nothing else; temporary files below `temporary`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("temporary")))
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugins = ("-p", "stress.pytest_plugin", "-p", "xdist.plugin")
    return pytester.runpytest_subprocess(*plugins, "--junitxml=junit.xml", *arguments)


def captures(pytester: pytest.Pytester) -> list[Path]:
    return list((pytester.path / "temporary").glob("stress-capture-*"))


def junit(pytester: pytest.Pytester) -> dict[str, tuple[str, str]]:
    """Name of each test case: its result and the text of it."""
    root = ElementTree.parse(pytester.path / "junit.xml").getroot()
    return {
        case.attrib["name"]: (case[0].tag, case[0].text or "") if len(case) else ("passed", "")
        for case in root.iter("testcase")
    }


def assert_crash_report(text: str, test: str) -> None:
    assert "Segmentation fault" in text
    assert "MainThread ◀ here\n    overflow_c_stack  test_suite.py:" in text
    assert "bystander" in text
    assert "hash.deep" in text
    assert f"run it again: pytest --stress-capture {test}" in text


def test_a_crash_in_plain_pytest(runs: pytest.Pytester) -> None:
    runs.makepyfile(test_suite=SUITE)
    result = run(runs, "--stress-capture")
    assert result.ret == -signal.SIGSEGV
    # The watcher removes the files last of all.
    wait_until(lambda: not captures(runs), "the watcher is done")
    printed = (runs.path / "stdout").read_text("utf-8")
    assert "died in test_suite.py::test_crashes\n" in printed
    assert_crash_report(printed, "test_suite.py::test_crashes")
    assert "FAILED test_suite.py::test_fails (call)\n" in printed
    cases = junit(runs)
    assert {name: result for name, (result, _) in cases.items()} == {
        "test_passes": "passed",
        "test_fails": "failure",
        "test_is_skipped": "skipped",
        "test_crashes": "failure",
    }
    assert_crash_report(cases["test_crashes"][1], "test_suite.py::test_crashes")
    assert "assert 'one' == 'two'" in cases["test_fails"][1]
    assert cases["test_is_skipped"][1] == "Skipped: not today"


def test_a_crash_under_xdist(runs: pytest.Pytester) -> None:
    runs.makepyfile(test_suite=SUITE)
    result = run(runs, "--stress-capture", "-n", "2")
    result.assert_outcomes(passed=2, failed=2, skipped=1)
    assert_crash_report(result.stdout.str(), "test_suite.py::test_crashes")
    cases = junit(runs)
    assert {name: result for name, (result, _) in cases.items()} == {
        "test_passes": "passed",
        "test_fails": "failure",
        "test_is_skipped": "skipped",
        "test_crashes": "failure",
        "test_passes_later": "passed",
    }
    assert_crash_report(cases["test_crashes"][1], "test_suite.py::test_crashes")
    assert captures(runs) == []


@pytest.mark.parametrize("arguments", [(), ("-n", "1")])
def test_an_exit_without_a_dump(runs: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    runs.makepyfile(test_suite="import os\ndef test_exits():\n    os._exit(0)\n")
    result = run(runs, "--stress-capture", *arguments)
    wait_until(lambda: not captures(runs), "the watcher is done")
    printed = (runs.path / "stdout").read_text("utf-8")
    assert "no dump: SIGKILL, or an exit that nobody could see (os._exit)" in printed
    assert junit(runs)["test_exits"][0] == "failure"
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if arguments else 0)


def test_a_crash_outside_of_any_test(runs: pytest.Pytester) -> None:
    runs.makepyfile(test_suite="import os\nos.abort()\n")
    result = run(runs, "--stress-capture")
    assert result.ret == -signal.SIGABRT
    wait_until(lambda: not captures(runs), "the watcher is done")
    printed = (runs.path / "stdout").read_text("utf-8")
    assert "died outside of any test\nAborted\n" in printed
    assert junit(runs)["outside of any test"][0] == "error"


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_clean_run_is_left_alone(runs: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    runs.makepyfile(
        test_suite="""
        import threading

        def test_records(stress_recorder):
            with stress_recorder.operation(1, "x"):
                stress_recorder.note("y")
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
        """
    )
    result = run(runs, "--stress-capture", *arguments)
    assert result.ret == 0
    assert "died" not in result.stdout.str()
    assert result.stderr.str() == ""
    assert captures(runs) == []


def test_an_interrupt_is_no_crash(runs: pytest.Pytester) -> None:
    runs.makepyfile(test_suite="def test_stops():\n    raise KeyboardInterrupt\n")
    result = run(runs, "--stress-capture")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "died" not in result.stdout.str()
    assert captures(runs) == []


def test_collecting_only_captures_nothing(runs: pytest.Pytester) -> None:
    runs.makepyfile(test_suite="def test_nothing():\n    pass\n")
    assert run(runs, "--stress-capture", "--collect-only").ret == 0
    assert captures(runs) == []


def test_the_dump_goes_to_our_file_and_faulthandler_is_put_back(runs: pytest.Pytester) -> None:
    runs.makeconftest(
        """
        import faulthandler, os, pytest

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure(config):
            # Of the process that pytest was started in: nothing of ours is left.
            assert faulthandler.is_enabled() == BEFORE

        BEFORE = faulthandler.is_enabled()
        """
    )
    runs.makepyfile(test_suite="import os\ndef test_aborts():\n    os.abort()\n")
    result = run(runs, "--stress-capture")
    assert "Fatal Python error" not in result.stderr.str()
    runs.makepyfile(test_suite="def test_passes():\n    pass\n")
    assert run(runs, "--stress-capture").ret == 0


def test_pytest_finds_the_plugin_by_itself() -> None:
    (found,) = entry_points(group="pytest11", name="stress")
    assert found.value == "stress.pytest_plugin"


def test_without_the_option_nothing_of_ours_is_loaded(runs: pytest.Pytester) -> None:
    runs.makepyfile(
        test_suite="""
        import sys

        def test_modules():
            ours = {name for name in sys.modules if name.partition(".")[0] == "stress"}
            assert ours == {"stress", "stress.pytest_plugin"}

        def test_records_nothing(stress_recorder):
            with stress_recorder.operation(1, "x"):
                stress_recorder.note("y")
        """
    )
    run(runs).assert_outcomes(passed=2)


def test_the_hash_seed_is_part_of_the_command(
    runs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    runs.makepyfile(test_suite="import os\ndef test_exits():\n    os._exit(1)\n")
    run(runs, "--stress-capture")
    wait_until(lambda: not captures(runs), "the watcher is done")
    command = "PYTHONHASHSEED=5 pytest --stress-capture test_suite.py::test_exits"
    assert f"run it again: {command}" in (runs.path / "stdout").read_text("utf-8")
    assert os.environ["PYTHONHASHSEED"] == "5"
