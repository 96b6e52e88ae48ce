"""The command line: what it asks of the api, what it prints, and each exit code.

The api's calls are replaced where a run itself is not the point.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stress import api
from stress.cli import ExitCode, main
from stress.errors import HarnessFault
from stress.finding import Verdict
from stress.finding_store import FINDING_FILE, FindingStore
from stress.plan import Actor, Operation, Plan
from tests.stress.report import samples

ROOT = Path(__file__).parent.parent.parent
ID = "crash-3fa9c1d2e4b5"


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("STRESS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")


class Stub:
    """Stands in for the calls of the api: remembers what was asked, answers what it was given."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer: Any = samples.HOLDS

    def _give(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    def run(self, options: api.RunOptions, *, on_progress: Callable[..., None]) -> api.Run:
        self.asked.append(options)
        return self._give()

    def replay_finding(self, finding: Any, **options: Any) -> api.Replay:
        del options["on_progress"]
        self.asked.append((finding, options))
        return self._give()

    def draw_plan(self, workload: str, seed: int, size: int) -> Plan:
        self.asked.append((workload, seed, size))
        return Plan(workload, seed, size, (Actor("a", (Operation(0, "x.y", {"n": 1}),)),))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    stub = Stub()
    for name in ("run", "replay_finding", "draw_plan"):
        monkeypatch.setattr(api, name, getattr(stub, name))
    return stub


def options_of(stub: Stub, *argv: str) -> api.RunOptions:
    assert main(["run", *argv]) == ExitCode.HOLDS
    return stub.asked[-1]


def test_a_run_by_default(stub: Stub) -> None:
    options = options_of(stub)
    assert options == api.RunOptions(
        seed=options.seed, time_limit_s=60.0, jobs=len(os.sched_getaffinity(0))
    )


def test_the_seed_is_drawn_and_printed(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = {options_of(stub).seed for _ in range(4)}
    assert len(seeds) == 4
    printed = capsys.readouterr().err
    assert all(f"--seed {seed} " in printed for seed in seeds)


def test_every_option_reaches_the_run(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    argv = (
        "console --seed 7 --mutant redirect_stdout --trials 9 --time 2.5 --jobs 3 --size 4 "
        "--trial-timeout 1.5 --memory-limit 512 --no-noise --stop-on-first --findings kept "
        "--endpoint https://127.0.0.1:5/v1"
    )
    options = options_of(stub, *argv.split())
    assert options == api.RunOptions(
        workload="console",
        mutant="redirect_stdout",
        seed=7,
        trials=9,
        time_limit_s=2.5,
        jobs=3,
        size=4,
        trial_timeout_s=1.5,
        memory_limit_mib=512,
        noise=False,
        findings_directory=Path("kept"),
        stop_on_first=True,
        endpoint="https://127.0.0.1:5/v1",
    )
    command = capsys.readouterr().err.splitlines()[0]
    assert options_of(stub, *command.split()[2:]) == options


def test_trials_alone_are_not_limited_in_time(stub: Stub) -> None:
    assert options_of(stub, "--trials", "5").time_limit_s is None


def test_settings_are_taken_where_nothing_is_said(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pyproject.toml").write_text('[tool.stress]\ntime = 30\njobs = 4\nfindings = "kept"\n')
    monkeypatch.setenv("STRESS_SIZE", "6")
    options = options_of(stub, "--seed", "1")
    assert (options.time_limit_s, options.jobs, options.size) == (30.0, 4, 6)
    assert options.findings_directory == Path("kept")
    options = options_of(stub, "--trials", "3", "--jobs", "1", "--findings", "mine")
    assert (options.trials, options.time_limit_s, options.jobs) == (3, None, 1)
    assert options.findings_directory == Path("mine")


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (samples.HOLDS, 0),
        (replace(samples.VIOLATED, unsaved=()), 1),
        (samples.VIOLATED, 2),
        (samples.UNKNOWN, 3),
    ],
)
def test_the_exit_code_of_a_run(
    stub: Stub, run: api.Run, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answer = run
    assert main(["run", "--seed", "1"]) == code
    assert f"verdict: {run.verdict.value}" in capsys.readouterr().out


def test_a_run_with_findings_shows_one_whole_and_lists_all(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = replace(samples.INVARIANT, directory="kept")
    stub.answer = replace(samples.VIOLATED, findings=(samples.CRASH, kept), unsaved=())
    assert main(["run", "--seed", "1"]) == ExitCode.FINDINGS
    out = capsys.readouterr().out
    assert out.startswith(samples.CRASH.message)
    assert out.count("last operations") == 1
    assert "invariant-bbbbbbbbbbbb ×1" in out
    assert out.splitlines()[-1] == f"run it again: {samples.CRASH.replay_command}"


def test_what_could_not_be_saved_is_told_whole(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = replace(samples.CRASH, directory="")
    stub.answer = replace(samples.VIOLATED, findings=(samples.INVARIANT, lost))
    assert main(["run", "--seed", "1"]) == ExitCode.WRONG_USE
    out = capsys.readouterr().out
    assert samples.INVARIANT.message in out
    assert "last operations" in out
    assert "could not be saved (No space left on device)" in out


def test_a_run_as_json(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answer = replace(samples.VIOLATED, unsaved=())
    assert main(["run", "--seed", "1", "--json"]) == ExitCode.FINDINGS
    value = json.loads(capsys.readouterr().out)
    assert (value["verdict"], value["exit_code"], value["seed"]) == ("violated", 1, 42)
    assert value["statistics"]["trials"] == 1234
    assert [finding["id"] for finding in value["findings"]] == [ID, "invariant-bbbbbbbbbbbb"]
    assert value["command"].startswith("hermes-stress run mixed --seed 1 ")


def test_an_interrupted_run_gives_the_results_so_far(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answer = replace(samples.VIOLATED, reason="interrupted", unsaved=())
    assert main(["run", "--seed", "1"]) == ExitCode.FINDINGS
    assert "stopped: interrupted\n" in capsys.readouterr().out
    stub.answer = KeyboardInterrupt()
    assert main(["run", "--seed", "1"]) == ExitCode.UNKNOWN
    assert "interrupted before there was a result" in capsys.readouterr().err


def test_sigterm_interrupts_a_run(stub: Stub) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stub.answer = lambda: signal.raise_signal(signal.SIGTERM)
    assert main(["run", "--seed", "1"]) == ExitCode.UNKNOWN
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fault_of_the_harness_is_no_verdict(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answer = HarnessFault("no host could start")
    assert main(["run", "--seed", "1"]) == ExitCode.HARNESS_FAULT
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == "hermes-stress: fault of the harness: no host could start"
    stub.answer = ZeroDivisionError("by zero")
    assert main(["run", "--seed", "1"]) == ExitCode.HARNESS_FAULT
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "unexpected fault of the harness: ZeroDivisionError: by zero" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("run mixd", ["'mixd'", "did you mean 'mixed'"]),
        ("run zzzzz", ["'zzzzz'", "mixed"]),
        ("run --mutant redirect_stout", ["'redirect_stout'", "redirect_stdout"]),
        ("run --trials -3", ["--trials", "-3 is not above 0"]),
        ("run --trials 0", ["--trials", "0 is not above 0"]),
        ("run --trials many", ["--trials", "'many' is not a whole number"]),
        ("run --jobs -1", ["--jobs", "-1 is not above 0"]),
        ("run --size 1.5", ["--size", "'1.5' is not a whole number"]),
        ("run --time -2", ["--time", "-2 is not a finite number above 0"]),
        ("run --time nan", ["--time", "nan is not a finite number above 0"]),
        ("run --trial-timeout 0", ["--trial-timeout", "above 0"]),
        ("run --memory-limit -5", ["--memory-limit", "-5 is not above 0"]),
        ("run --seed -1", ["--seed", "'-1' is not a whole number"]),
        ("run --findings ''", ["--findings", "is not a path"]),
        ("run --trial 3", ["unrecognized arguments", "--help"]),
        ("rum", ["'rum'", "run", "--help"]),
        ("", ["COMMAND", "--help"]),
        ("replay nothing-there", ["no finding 'nothing-there'", "hermes-stress findings"]),
        ("replay x --attempts 0", ["--attempts", "0 is not above 0"]),
        ("show nothing-there", ["no finding 'nothing-there'"]),
        ("plan mixd", ["'mixd'", "did you mean 'mixed'"]),
    ],
)
def test_wrong_use_is_one_sentence(
    argv: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.strip("'") for word in argv.split()]) == ExitCode.WRONG_USE
    captured = capsys.readouterr()
    sentence = captured.err.splitlines()[-1]
    assert sentence.startswith("hermes-stress: ")
    assert all(word in sentence for word in words), sentence
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_findings_directory_that_cannot_be_is_refused_before_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("file").write_text("")
    assert main(["run", "--findings", "file/below", "--trials", "1"]) == ExitCode.WRONG_USE
    assert "file/below cannot be written" in capsys.readouterr().err


@pytest.fixture
def kept() -> Path:
    """The directory of a finding that is kept where findings are kept by default."""
    return Path(FindingStore().save(samples.CRASH).directory)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON"),
        ("{}", "is JSON, but not a finding"),
        (
            '{"format": "hermes-stress finding", "format_version": 9}',
            "was written by a newer hermes-stress (format 9",
        ),
    ],
)
def test_a_file_that_is_no_finding_is_refused(
    kept: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept / FINDING_FILE).write_text(text)
    for command in ("replay", "show"):
        assert main([command, ID]) == ExitCode.WRONG_USE
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replay", "code", "words"),
    [
        (api.Replay(10, 7, ()), 1, ["7 of 10 attempts reproduced it"]),
        (api.Replay(10, 0, ()), 0, ["0 of 10 attempts", "below 25.9% an attempt, at 95 %"]),
        (api.Replay(10, 0, (samples.INVARIANT,)), 1, ["0 of 10", "another defect: invariant-b"]),
        (api.Replay(0, 0, ()), 3, ["0 of 0"]),
    ],
)
def test_a_replay(
    stub: Stub,
    kept: Path,
    replay: api.Replay,
    code: int,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stub.answer = replay
    assert main(["replay", ID]) == code
    out = capsys.readouterr().out
    assert all(word in out for word in words), out
    finding, options = stub.asked[-1]
    assert (finding.seed, finding.message) == (samples.CRASH.seed, samples.CRASH.message)
    jobs = len(os.sched_getaffinity(0))
    assert options == {"attempts": 10, "jobs": jobs, "trial_timeout_s": None}


def test_a_replay_of_a_path_with_options(stub: Stub, kept: Path) -> None:
    stub.answer = api.Replay(3, 3, ())
    for reference in (kept, kept / FINDING_FILE):
        argv = ["replay", str(reference), "--attempts", "3", "--jobs", "4", "--trial-timeout", "2"]
        assert main(argv) == ExitCode.FINDINGS
        assert stub.asked[-1][1] == {"attempts": 3, "jobs": 4, "trial_timeout_s": 2.0}


def test_a_replay_on_another_python_says_so(
    stub: Stub, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kept / FINDING_FILE
    path.write_text(path.read_text().replace('"3.11.7"', '"3.10.1"'))
    stub.answer = api.Replay(1, 0, ())
    main(["replay", ID])
    assert "note: found on CPython 3.10.1, replayed on " in capsys.readouterr().err


def test_show_and_findings(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", ID]) == ExitCode.HOLDS
    assert capsys.readouterr().out.startswith(samples.CRASH.message)
    assert main(["findings"]) == ExitCode.HOLDS
    assert capsys.readouterr().out.startswith(f"{ID}               ×500")
    assert main(["findings", "--json"]) == ExitCode.HOLDS
    assert [value["id"] for value in json.loads(capsys.readouterr().out)] == [ID]


def test_findings_beside_a_damaged_one(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = kept.parent / "crash-0"
    damaged.mkdir()
    (damaged / FINDING_FILE).write_text("{")
    assert main(["findings"]) == ExitCode.WRONG_USE
    captured = capsys.readouterr()
    assert ID in captured.out
    assert "crash-0/finding.json is not JSON" in captured.err


def test_no_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "--findings", "nowhere"]) == ExitCode.HOLDS
    assert capsys.readouterr().out == "no findings in nowhere\n"


def test_a_plan(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "mixed", "--seed", "5", "--size", "2"]) == ExitCode.HOLDS
    assert "plan mixed · seed 5 · size 2" in capsys.readouterr().out
    assert main(["plan", "mixed", "--seed", "5", "--size", "2", "--json"]) == ExitCode.HOLDS
    assert Plan.from_json(json.loads(capsys.readouterr().out)) == stub.draw_plan("mixed", 5, 2)


def test_workloads_and_mutants_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workloads"]) == ExitCode.HOLDS
    listed = capsys.readouterr().out
    for name in [*api.workload_names(), *api.mutant_names()]:
        assert f"  {name} " in listed
    assert main(["run", "--list"]) == ExitCode.HOLDS
    assert capsys.readouterr().out == listed


def test_every_exit_code_has_its_verdict() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4]
    assert len(Verdict) == 3


def command(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "stress", *argv],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        **options,
    )


def test_python_m_stress_is_the_same_program() -> None:
    shown = command("--version")
    assert (shown.returncode, shown.stdout.split()[0]) == (0, "hermes-stress")
    helped = command("run", "--help")
    assert (helped.returncode, "--mutant NAME" in helped.stdout) == (0, True)
    refused = command("run", "--trials", "-3")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_changes_no_exit_code(kept: Path, options: list[str]) -> None:
    (kept.parent / "crash-0").mkdir()
    (kept.parent / "crash-0" / FINDING_FILE).write_text("{")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "stress", "findings", *options],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
        )
    finally:
        os.close(writing)
    assert process.returncode == ExitCode.WRONG_USE
    assert "Traceback" not in process.stderr
    assert "BrokenPipe" not in process.stderr
