"""`hermes-stress run --detect`: detectors in sandboxes, and in the runtime under a mutant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("bytecode", reason="the extra `explore` is not installed")

from stress import api, extras
from stress.cli import main
from stress.cli.common import ExitCode
from stress.errors import InvalidArgument, MissingExtra
from stress.finding import FindingKind, Verdict
from stress.finding_store import FindingStore

PROGRAMS = "tests.stress.observe.programs"


def run(workload: str, tmp_path: Path, **options: object) -> api.Run:
    wanted = {"trials": 3, "jobs": 2, "seed": 5, "findings_directory": tmp_path, **options}
    return api.run(api.RunOptions(workload=workload, **wanted))  # type: ignore[arg-type]


def test_a_race_is_found_kept_and_replayed(tmp_path: Path) -> None:
    found = run(
        f"{PROGRAMS}:nothing_in_between",
        tmp_path,
        detectors=("races",),
        free_threaded=True,
        stop_on_first=True,
    )
    assert found.verdict is Verdict.VIOLATED
    (finding,) = found.findings
    assert finding.kind is FindingKind.DATA_RACE
    assert finding.settings["detectors"] == ["races"]
    again = api.replay_finding(FindingStore(tmp_path).load(finding.id), attempts=3)
    assert (again.attempts, again.reproduced, again.other) == (3, 3, ())


def test_what_is_ordered_holds(tmp_path: Path) -> None:
    found = run(f"{PROGRAMS}:by_pool", tmp_path, detectors=api.OBSERVERS, free_threaded=True)
    assert found.verdict is Verdict.HOLDS, found.reason


def test_the_runtime_is_clean_and_its_mutant_is_not(tmp_path: Path) -> None:
    options = {"detectors": ("races", "atomicity"), "free_threaded": True, "trials": 4}
    clean = run("interrupt_storms", tmp_path, **options)
    assert clean.verdict is Verdict.HOLDS, [finding.message for finding in clean.findings]
    unlocked = run("interrupt_storms", tmp_path, mutant="children_unlocked", **options)
    races = [f for f in unlocked.findings if f.kind is FindingKind.DATA_RACE]
    assert any("_interrupt_" in finding.message for finding in races), unlocked.findings


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", f"{PROGRAMS}:nothing_in_between", "--detect", "races,leaks", "--trials", "2"]
    command += ["--free-threaded", "--findings", str(tmp_path), "--seed", "5"]
    assert main(command) == ExitCode.FINDINGS
    told = capsys.readouterr().out
    assert "data race on value: task 1 writes it in Box.fill (" in told
    assert "  accesses:\n    thread 1: write value in Box.fill (" in told
    assert "hold one lock in both" in told
    assert main([*command, "--json"]) == ExitCode.FINDINGS
    summary = json.loads(capsys.readouterr().out)
    assert summary["findings"][0]["kind"] == "data_race"
    assert "--detect races,leaks" in summary["command"]
    assert "--free-threaded" in summary["command"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("race", "there is no detector 'race'; choose of races, atomicity, leaks"),
        ("lock-order", "detector 'lock-order' has to make other executions; use"),
    ],
)
def test_detectors_that_cannot_look_on(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        api.checked(api.RunOptions(detectors=(name,)))
    assert main(["run", "--detect", name, "--trials", "1"]) == ExitCode.WRONG_USE
    assert message in capsys.readouterr().err


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "has_bytecode", lambda: False)
    with pytest.raises(MissingExtra, match="--detect needs bytecode, which is not installed: "):
        api.checked(api.RunOptions(detectors=("races",)))
