"""Settings of pyproject.toml and of the environment: read, layered, and refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress.errors import InvalidArgument
from stress.settings import Settings, directory, read_settings, seconds, whole_number


@pytest.fixture
def pyproject(tmp_path: Path) -> Path:
    return tmp_path / "pyproject.toml"


def test_nothing_is_set_where_nothing_is_said(pyproject: Path) -> None:
    assert read_settings(pyproject, {}) == Settings()
    pyproject.write_text("[tool.other]\n")
    assert read_settings(pyproject, {"STRESS_TRIALS": "", "STRESS_ELSE": "x"}) == Settings()


def test_the_file_and_then_the_environment(pyproject: Path) -> None:
    pyproject.write_text('[tool.stress]\ntime = 30\njobs = 4\nsize = 2\nfindings = "kept"\n')
    assert read_settings(pyproject, {}) == Settings(time=30.0, jobs=4, size=2, findings="kept")
    environment = {"STRESS_JOBS": "3", "STRESS_FINDINGS": "other"}
    settings = read_settings(pyproject, environment)
    assert settings == Settings(time=30.0, jobs=3, size=2, findings="other")


def test_a_limit_replaces_both_limits_of_the_file(pyproject: Path) -> None:
    pyproject.write_text("[tool.stress]\ntime = 30\ntrials = 7\n")
    assert read_settings(pyproject, {"STRESS_TRIALS": "100"}) == Settings(trials=100)
    assert read_settings(pyproject, {"STRESS_TIME": "1.5"}) == Settings(time=1.5)


def test_the_settings_of_controlled_execution(pyproject: Path) -> None:
    pyproject.write_text('[tool.stress]\nexecutions = 500\nstrategy = "random"\n')
    assert read_settings(pyproject, {}) == Settings(executions=500, strategy="random")
    environment = {"STRESS_EXECUTIONS": "7", "STRESS_CARRIER": "thread"}
    expected = Settings(executions=7, strategy="random", carrier="thread")
    assert read_settings(pyproject, environment) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool.stress]\ntrails = 3\n", "unknown key 'trails'; did you mean 'trials'?"),
        ("[tool.stress]\nzzz = 3\n", "unknown key 'zzz'; known are trials"),
        ("[tool.stress]\ntrials = -3\n", "trials in .*: -3 is not above 0"),
        ("[tool.stress]\njobs = true\n", "jobs in .*: True is not a whole number"),
        ("[tool.stress]\nsize = 1.5\n", "size in .*: 1.5 is not a whole number"),
        ("[tool.stress]\ntime = true\n", "time in .*: True is not a number of seconds"),
        ("[tool.stress]\nfindings = 3\n", "findings in .*: 3 is not a path"),
        ("[tool.stress]\nexecutions = 0\n", "executions in .*: 0 is not above 0"),
        ("[tool.stress]\nstrategy = 3\n", "strategy in .*: 3 is not a name"),
        ('[tool.stress]\ncarrier = " "\n', "carrier in .*: ' ' is not a name"),
        ("[tool]\nstress = 3\n", "is not a table"),
        ("tool = 3\n", "cannot be read"),
        ("[tool.stress\n", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused(pyproject: Path, text: str, sentence: str) -> None:
    pyproject.write_text(text)
    with pytest.raises(InvalidArgument, match=sentence) as caught:
        read_settings(pyproject, {})
    assert str(pyproject) in str(caught.value)


def test_a_file_that_is_no_text_is_refused(pyproject: Path) -> None:
    pyproject.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_settings(pyproject, {})


def test_a_wrong_variable_is_refused_by_its_name(pyproject: Path) -> None:
    with pytest.raises(InvalidArgument, match="trials in STRESS_TRIALS: 'many' is not"):
        read_settings(pyproject, {"STRESS_TRIALS": "many"})


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "", "x", True, 2.0, None])
def test_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        whole_number(value)


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "", "x", False, None])
def test_no_seconds(value: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        seconds(value)


def test_values_that_are_right() -> None:
    assert (whole_number("3"), whole_number(3)) == (3, 3)
    assert (seconds("0.5"), seconds(2)) == (0.5, 2.0)
    assert directory("a b") == "a b"
    with pytest.raises(ValueError, match="is not a path"):
        directory(" ")
