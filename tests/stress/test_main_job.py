"""The main job end to end: real threads, real SQLite, real TLS, sandboxes, findings, replay."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stress.api import RunOptions, checked, draw_plan, replay_finding, run, trial_seed
from stress.errors import InvalidArgument
from stress.finding import FindingKind, Verdict
from stress.finding_store import FindingStore
from stress.workloads.catalogue import WORKLOADS

#: CPython fixed gh-130163 in these releases; before them race 1 is a segmentation fault.
PRINT_IS_SAFE = sys.version_info[:3] >= (3, 13, 3) or (
    (3, 12, 10) <= sys.version_info[:3] < (3, 13)
)

KNOWN_RACES = {
    "redirect_stdout": ("console", {"original_streams", "printed_lines", ""}),
    "build_in_worker": ("delegate_batches", {"built_on_caller"}),
    "session_db_unlocked": (
        "session_writes",
        {
            "messages_once", "message_id", "message_order", "counters", "search_finds",
            "read_your_writes", "export_snapshot", "session_lost", "session_end", "title",
            "delete", "prune", "integrity", "open_transaction", "no_escaped_exception", "",
        },
    ),
    "children_unlocked": ("interrupt_storms", {"interrupt_reaches", "interrupt_stops"}),
    "client_cache_unlocked": ("client_resolution", {"one_client_per_key"}),
}  # fmt: skip


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
def test_the_fixed_core_is_clean(workload: str, tmp_path: Path) -> None:
    options = RunOptions(workload=workload, seed=11, trials=4, findings_directory=tmp_path)
    outcome = run(options)
    assert [finding.message for finding in outcome.findings] == []
    assert outcome.verdict is Verdict.HOLDS, outcome.reason
    assert outcome.statistics.trials == outcome.statistics.conditions["finished"] == 4
    assert outcome.statistics.concurrent_trials > 0
    assert outcome.statistics.residual_risk is not None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", sorted(KNOWN_RACES))
def test_each_known_race_is_found_and_run_again(mutant: str, tmp_path: Path) -> None:
    workload, oracles = KNOWN_RACES[mutant]
    options = RunOptions(
        workload=workload,
        mutant=mutant,
        seed=1,
        time_limit_s=90,
        findings_directory=tmp_path,
        stop_on_first=True,
    )
    outcome = run(options)
    assert outcome.verdict is Verdict.VIOLATED, outcome.reason
    for finding in outcome.findings:
        assert finding.mutant == mutant
        assert finding.oracle in oracles, finding.message
        stored = FindingStore(tmp_path).load(finding.id)
        assert stored.plan == draw_plan(workload, stored.seed, 1).to_json()
        assert stored.fingerprint == finding.fingerprint
    # A race is found statistically: any of its faces within the attempts shows that it is there.
    again = replay_finding(outcome.findings[0], attempts=60, jobs=2)
    assert again.reproduced or again.other


@pytest.mark.slow
@pytest.mark.skipif(PRINT_IS_SAFE, reason="this Python has the fix of gh-130163")
def test_race_1_is_captured_as_the_segmentation_fault_it_was(tmp_path: Path) -> None:
    options = RunOptions(
        workload="console",
        mutant="redirect_stdout",
        seed=1,
        time_limit_s=30,
        findings_directory=tmp_path,
    )
    crashes = [f for f in run(options).findings if f.signal == signal.SIGSEGV]
    assert crashes, "no segmentation fault in 30 s"
    crash = crashes[0]
    assert crash.kind is FindingKind.CRASH
    assert crash.threads
    assert crash.operations
    dumps = [path.read_text(errors="replace") for path in Path(crash.directory).glob("*.txt")]
    assert any("Segmentation fault" in text for text in dumps)
    again = replay_finding(crash, attempts=10, jobs=2)
    # That it crashes is the race; where, is up to who comes upon the damage first.
    assert again.reproduced or any(other.signal == signal.SIGSEGV for other in again.other)


def program(tmp_path: Path, body: str) -> str:
    (tmp_path / "victim.py").write_text(body, encoding="utf-8")
    return "victim:main"


def test_a_callable_of_anybody_is_run_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = program(
        tmp_path,
        "import threading\n"
        "def work():\n"
        "    raise ValueError('from a thread')\n"
        "def main():\n"
        "    thread = threading.Thread(target=work)\n"
        "    thread.start()\n"
        "    thread.join()\n",
    )
    outcome = run(RunOptions(workload=target, trials=3, findings_directory=tmp_path / "findings"))
    assert outcome.verdict is Verdict.VIOLATED
    (finding,) = outcome.findings
    assert finding.count == 3
    assert finding.kind is FindingKind.EXCEPTION
    assert "ValueError: from a thread" in finding.message
    assert replay_finding(finding, attempts=2).reproduced == 2


@pytest.mark.slow
def test_of_a_thousand_trials_exactly_the_bad_ones_are_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = program(
        tmp_path,
        "import faulthandler, random, threading\n"
        "def main():\n"
        "    drawn = random.random()\n"
        "    thread = threading.Thread(target=work, args=(drawn,))\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "def work(drawn):\n"
        "    if drawn < 0.010:\n"
        "        faulthandler._sigsegv()\n"
        "    elif drawn < 0.015:\n"
        "        threading.Event().wait()\n",
    )
    options = RunOptions(
        workload=target,
        seed=3,
        trials=1000,
        trial_timeout_s=2,
        findings_directory=tmp_path / "findings",
    )
    drawn = [random.Random(trial_seed(3, index)).random() for index in range(1000)]
    crashes = sum(value < 0.010 for value in drawn)
    hangs = sum(0.010 <= value < 0.015 for value in drawn)
    assert crashes
    assert hangs
    outcome = run(options)
    assert outcome.statistics.trials == 1000
    assert outcome.statistics.conditions == {
        "crashed": crashes,
        "hung": hangs,
        "finished": 1000 - crashes - hangs,
    }
    found = {(finding.kind, finding.count) for finding in outcome.findings}
    assert found == {(FindingKind.CRASH, crashes), (FindingKind.HANG, hangs)}


def test_a_program_without_threads_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = program(tmp_path, "def main():\n    pass\n")
    outcome = run(RunOptions(workload=target, trials=3, findings_directory=tmp_path / "findings"))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "nothing was explored" in outcome.reason


def test_a_large_trial_may_take_longer(tmp_path: Path) -> None:
    assert checked(RunOptions()).trial_timeout_s == 30
    assert checked(RunOptions(size=100)).trial_timeout_s == 525
    assert checked(RunOptions(size=100, trial_timeout_s=7.0)).trial_timeout_s == 7


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"workload": "mixd"}, "there is no workload 'mixd'; did you mean 'mixed'?"),
        ({"mutant": "redirect_stdin"}, "did you mean 'redirect_stdout'?"),
        ({"trials": -1}, "trials is -1"),
        ({"jobs": 0}, "jobs is 0"),
        ({"time_limit_s": -2.0}, "time_limit_s is -2.0"),
        ({"workload": "nowhere:main"}, "cannot import 'nowhere'"),
        ({"workload": "json:nothing"}, "names no callable"),
        ({"workload": "json:dumps", "mutant": "redirect_stdout"}, "leave --mutant out"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(
    changes: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        run(RunOptions(findings_directory=tmp_path, **changes))  # type: ignore[arg-type]
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_interrupted_run_keeps_what_it_has_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stress", "run", "session_writes", "--time", "300"]
    with subprocess.Popen(
        [*command, "--findings", str(tmp_path), "--seed", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert any(" trials · " in line for line in process.stderr), "no progress was shown"
            children = descendants(process.pid)
            assert children
            os.kill(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 3, out
    assert "interrupted" in out
    assert "Traceback" not in out
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found
