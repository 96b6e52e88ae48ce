"""`hermes-stress explore`, and the replay of what it finds: on real programs, to the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bytecode", reason="the extra `explore` is not installed")

import stress
from stress import explorer
from stress.cli import ExitCode, main
from stress.finding_store import FindingStore
from stress.statistics import Statistics

ROOT = Path(__file__).parent.parent.parent
BANK = """
import threading

class Account:
    def __init__(self):
        self.balance = 100

    def pay(self, amount):
        self.balance = self.balance + amount

def together(*functions):
    threads = [threading.Thread(target=f, name=f"payer-{n}") for n, f in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def lost():
    print("paying")
    account = Account()
    together(lambda: account.pay(1), lambda: account.pay(2))
    assert account.balance == 103, f"balance {account.balance}"

def kept():
    account, lock = Account(), threading.Lock()
    def pay():
        with lock:
            account.pay(1)
    together(pay, pay)
    assert account.balance == 102

def crossed():
    one, two = threading.Lock(), threading.Lock()
    def up():
        with one, two:
            pass
    def down():
        with two, one:
            pass
    together(up, down)

def alone():
    pass

def for_ever():
    lock = threading.Lock()
    def work():
        for _ in range(2000):
            with lock:
                pass
    together(work, work)

nameless = lambda: lost()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "bank_program.py").write_text(BANK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in list(os.environ):
        if name.startswith("STRESS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    yield tmp_path
    sys.modules.pop("bank_program", None)


def change(old: str, new: str) -> None:
    """Edit the program; the process that imported it forgets it."""
    path = Path("bank_program.py")
    text = path.read_text().replace(old, new)
    assert text != path.read_text()
    path.write_text(text)
    os.utime(path, ns=(1, 1))
    sys.modules.pop("bank_program", None)


def explored(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["explore", *argv])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def test_a_finding_is_told_kept_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explored(capsys, "bank_program:lost")
    assert code == ExitCode.FINDINGS
    lines = out.splitlines()
    assert lines[0].startswith("AssertionError: balance 10"), lines[0]
    assert lines[0].endswith("in task 0 at lost (bank_program.py:22)")
    assert "interleaving" in out
    assert any(line.split()[-3:] == ["✗", "AssertionError:", "balance"] for line in lines) or (
        "✗ AssertionError: balance 10" in out
    )
    assert "read balance" in out
    assert "schedule (seed 0; " in out
    assert "verdict: violated, 1 finding\n" in out
    assert lines[-1] == (
        "explore the same again: hermes-stress explore bank_program:lost --seed 0 "
        "--strategy portfolio --executions 1000"
    )
    assert "paying" not in out + err, "a thousand times the same"
    (finding,) = FindingStore().list()
    assert finding.schedule is not None
    assert finding.trace
    assert finding.workload == "bank_program:lost"
    (command,) = (line for line in lines if line.startswith("run it again: "))
    words = command.removeprefix("run it again: hermes-stress ").split()
    assert main(words) == ExitCode.FINDINGS
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == lines[0]
    assert captured.out.endswith(f"{finding.id}: reproduced, by one execution under its schedule\n")
    assert captured.err == "paying\n"
    assert main(["show", finding.id]) == ExitCode.HOLDS
    assert capsys.readouterr().out.splitlines()[0] == lines[0]


def test_the_last_line_does_the_same_again(capsys: pytest.CaptureFixture[str]) -> None:
    argv = (
        "bank_program:lost --seed 5 --executions 50 --targets bank_program,json --targets "
        "bank_program --carrier thread --step-limit 5000 --time 60 --saturation 40 "
        "--focus --all --no-shrink --findings kept"
    )
    _, out, _ = explored(capsys, *argv.split())
    command = out.splitlines()[-1].removeprefix("explore the same again: hermes-stress explore ")
    assert command == (
        "bank_program:lost --seed 5 --strategy portfolio --executions 50 "
        "--targets bank_program,json --carrier thread --step-limit 5000 --time 60 "
        "--saturation 40 --focus --all --no-shrink --findings kept"
    )
    _, again, _ = explored(capsys, *command.split())
    assert again.splitlines()[0] == out.splitlines()[0]
    assert [f.settings["carrier"] for f in FindingStore("kept").list()] == ["thread"]
    assert "run it again: hermes-stress replay kept/exception-" in again


def test_what_holds_states_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("bank_program:kept", "--executions", "200", "--strategy", "random")
    code, out, _ = explored(capsys, *argv)
    assert code == ExitCode.HOLDS
    assert "200 executions in " in out
    assert "stopped: all 200 executions are done\n" in out
    assert (
        "verdict: holds so far; none of 200 random executions failed: at 95 %, fewer than 1.49%"
        in out
    )
    assert not Path(".stress/findings").exists() or FindingStore().list() == ()


def test_what_was_explored_to_the_end_holds(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, "bank_program:kept")
    assert code == ExitCode.HOLDS
    assert "stopped: all interleavings were executed\n" in out
    assert "verdict: holds for this program and its input: there are no other interleav" in out


def test_what_was_not_explored_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, "bank_program:alone")
    assert code == ExitCode.UNKNOWN
    assert "stopped: no execution ever had two ready tasks, so nothing was explored" in out
    assert "verdict: unknown\n" in out


def test_a_deadlock_shows_its_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, "bank_program:crossed")
    assert code == ExitCode.FINDINGS
    assert out.startswith("deadlock: task 1 in crossed.<locals>.up")
    assert "who waits for whom: task 1 → task 2 → task 1\n" in out
    assert "✗ waits to acquire Lock" in out
    assert "task 1 (payer-0)" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, "bank_program:lost", "--json", "--seed", "3")
    value = json.loads(out)
    assert (code, value["exit_code"], value["verdict"], value["seed"]) == (1, 1, "violated", 3)
    (finding,) = value["findings"]
    assert finding["schedule"]["switches"]
    assert value["command"].startswith("hermes-stress explore bank_program:lost --seed 3 ")
    assert value["statistics"]["residual_risk"] is None


def test_time_alone_limits_only_time(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explored(capsys, "bank_program:kept", "--time", "2.5", "--strategy", "random")
    assert code == ExitCode.HOLDS
    assert "stopped: the time limit of 2.5 s was reached" in out
    assert out.splitlines()[-1].endswith("--strategy random --time 2.5")
    (line,) = err.splitlines()
    assert line.startswith("bank_program:kept · seed 0: ")
    assert " executions · " in line


def test_settings_are_taken_where_nothing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pyproject.toml").write_text(
        '[tool.stress]\nexecutions = 30\ncarrier = "thread"\nfindings = "kept"\n'
    )
    command = explored(capsys, "bank_program:kept")[1].splitlines()[-1]
    assert command.endswith("--executions 30 --carrier thread --findings kept")
    monkeypatch.setenv("STRESS_EXECUTIONS", "20")
    monkeypatch.setenv("STRESS_CARRIER", "auto")
    command = explored(capsys, "bank_program:kept")[1].splitlines()[-1]
    assert command.endswith("--executions 20 --findings kept")
    monkeypatch.setenv("STRESS_STRATEGY", "randm")
    assert main(["explore", "bank_program:kept"]) == ExitCode.WRONG_USE
    assert "there is no strategy 'randm'; did you mean 'random'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("bank_program", ["names no callable", "module:callable"]),
        ("bank_porgram:lost", ["no module 'bank_porgram'", "did you mean 'bank_program'?"]),
        ("bank_program:lots", ["has no 'lots'", "did you mean 'lost'?"]),
        ("bank_program:lost --strategy randon", ["strategy 'randon'", "did you mean 'random'?"]),
        ("bank_program:lost --strategy z", ["strategy 'z'", "choose one of portfolio"]),
        ("bank_program:lost --carrier tread", ["carrier 'tread'", "did you mean 'thread'?"]),
        ("bank_program:lost --targets bank_progarm", ["'bank_progarm'", "'bank_program'?"]),
        ("bank_program:lost --executions 0", ["--executions", "0 is not above 0"]),
        ("bank_program:lost --seed x", ["--seed", "'x' is not a whole number"]),
        ("bank_program:lost --step-limit -1", ["--step-limit", "-1 is not above 0"]),
        ("bank_program:together", ["bank_program:lost"]),
        ("", ["module:callable", "--help"]),
    ],
)
def test_wrong_use_is_one_sentence(
    argv: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if argv == "bank_program:together":
        # It takes any number of arguments, so none as well: no wrong use, but nothing explored.
        assert main(["explore", argv]) == ExitCode.UNKNOWN
        return
    assert main(["explore", *argv.split()]) == ExitCode.WRONG_USE
    captured = capsys.readouterr()
    (sentence,) = captured.err.splitlines()
    assert sentence.startswith("hermes-stress: ")
    assert all(word in sentence for word in words), sentence
    assert captured.out == ""


def test_an_error_of_the_users_module_is_told_with_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bank_program.py").write_text("print('loading')\n\n1 / 0\n")
    assert main(["explore", "bank_program:main"]) == ExitCode.WRONG_USE
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "loading",
        "hermes-stress: importing 'bank_program' raised ZeroDivisionError: division by zero, "
        "at bank_program.py:3",
    ]


def test_findings_that_cannot_be_kept_are_refused_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("file").write_text("")
    assert main(["explore", "bank_program:lost", "--findings", "file/x"]) == ExitCode.WRONG_USE
    assert "file/x cannot be written" in capsys.readouterr().err


def test_what_could_not_be_saved_is_told_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FindingStore, "check_writable", lambda self: None)
    Path("kept").write_text("")
    code, out, _ = explored(capsys, "bank_program:lost", "--findings", "kept")
    assert code == ExitCode.WRONG_USE
    assert "interleaving" in out
    assert "could not be saved in kept" in out
    assert "run it again: stress.replay(lost, finding)" in out


# -- replay -------------------------------------------------------------------------------------


@pytest.fixture
def kept(capsys: pytest.CaptureFixture[str]) -> str:
    """The ID of the lost update, as it was found at random."""
    options = ["--strategy", "random", "--no-shrink"]
    assert main(["explore", "bank_program:lost", *options]) == ExitCode.FINDINGS
    capsys.readouterr()
    return FindingStore().list()[0].id


def test_a_replay_of_a_repaired_program_is_clean(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change('== 103, f"balance', '> 0, f"balance')
    assert main(["replay", kept]) == ExitCode.HOLDS
    assert f"{kept}: not reproduced; the program now runs clean" in capsys.readouterr().out


def test_a_replay_of_another_program_diverges(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change("together(lambda: account.pay(1), ", "together(lambda: account.pay(0), lambda: 1, ")
    change("== 103", "> 0")
    assert main(["replay", kept]) == ExitCode.UNKNOWN
    out = capsys.readouterr().out
    assert out.startswith(f"{kept}: diverged")
    assert "expected" in out
    assert "`hermes-stress explore bank_program:lost` looks anew\n" in out


def test_another_defect_under_the_same_schedule(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change('assert account.balance == 103, f"balance {account.balance}"', "raise KeyError")
    code = main(["replay", kept])
    out = capsys.readouterr().out
    assert code in (ExitCode.FINDINGS, ExitCode.UNKNOWN)
    if code == ExitCode.FINDINGS:
        assert out.startswith("KeyError")
        assert "not reproduced; under its schedule the program shows another defect" in out


def test_a_finding_is_shrunk_and_kept(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = FindingStore().load(kept)
    assert main(["shrink", kept]) == ExitCode.FINDINGS
    out, err = capsys.readouterr()
    assert "paying" not in out
    assert "Traceback" not in err
    shrunk = FindingStore().load(kept)
    assert (shrunk.id, shrunk.count) == (before.id, before.count)
    assert before.schedule is not None
    assert shrunk.schedule is not None
    assert shrunk.schedule.preemptions == 1 < before.schedule.preemptions
    last = f"shrunk from {before.schedule.preemptions} to 1 preemption, and from "
    assert out.splitlines()[-1].startswith(last)
    assert f"run it again: hermes-stress replay {shrunk.directory}" in out
    assert main(["shrink", kept]) == ExitCode.FINDINGS
    size = f"its 1 preemption and {len(shrunk.schedule.switches)} switches"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"no smaller schedule than {size} was found in ")
    assert main(["replay", kept]) == ExitCode.FINDINGS
    assert "reproduced" in capsys.readouterr().out


def test_what_is_repaired_is_not_shrunk(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    change('== 103, f"balance', '> 0, f"balance')
    before = FindingStore().load(kept)
    assert main(["shrink", kept]) == ExitCode.UNKNOWN
    assert "does not show" in capsys.readouterr().out
    assert FindingStore().load(kept) == before


def test_wrong_use_of_shrink(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shrink", kept, "--executions", "none"]) == ExitCode.WRONG_USE
    assert "'none'" in capsys.readouterr().err
    assert main(["shrink", "exception-000000000000"]) == ExitCode.WRONG_USE


def test_options_of_runs_say_nothing_to_a_schedule(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", kept, "--attempts", "3"]) == ExitCode.FINDINGS
    assert "note: a schedule is replayed once, so --attempts says" in capsys.readouterr().err


def test_a_callable_without_a_name_of_its_own_is_replayed_by_the_name_it_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, *_ = explored(capsys, "bank_program:nameless")
    assert code == ExitCode.FINDINGS
    (finding,) = FindingStore().list()
    assert main(["replay", finding.id]) == ExitCode.FINDINGS


def test_a_program_that_nobody_can_import_is_replayed_in_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def program() -> None:
        box: list[int] = []
        threads = [threading.Thread(target=lambda: box.append(len(box))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box == [0, 1]

    found = stress.explore(program).findings[0]
    assert found.replay_command == "stress.replay(program, finding)"
    kept = FindingStore().save(found)
    assert kept.replay_command == f"stress.replay(program, {kept.directory!r})"
    assert main(["replay", kept.id]) == ExitCode.WRONG_USE
    sentence = capsys.readouterr().err
    assert (
        "<locals>.program, which nobody can import; where it is made, `stress.replay(" in sentence
    )
    assert main(["shrink", kept.id]) == ExitCode.WRONG_USE
    assert f"`stress.shrink(program, {kept.directory!r})` in Python" in capsys.readouterr().err
    # What it says is so.
    again = eval(kept.replay_command, {"stress": stress, "program": program})
    assert [f.fingerprint for f in again.findings] == [kept.fingerprint]


def test_a_finding_of_three_functions_is_replayed_as_it_says() -> None:
    def deposit(box: list[int]) -> None:
        box[0] = box[0] + 1

    def balanced(box: list[int]) -> bool:
        return box == [2]

    found = stress.check_threads(lambda: [0], [deposit, deposit], balanced).findings[0]
    assert found.message == f"invariant {balanced.__qualname__!r} does not hold, in task 0"
    command = FindingStore().save(found).replay_command
    assert "ThreeFunctions(<lambda>, [deposit, deposit], balanced), '.stress" in command
    command = command.replace("<lambda>", "make")
    names: dict[str, Any] = {"deposit": deposit, "balanced": balanced, "make": lambda: [0]}
    again = eval(command, {"stress": stress, **names})
    assert again.findings[0].kind is stress.FindingKind.INVARIANT


# -- interruptions, and what is missing ---------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_exploration_gives_the_results_so_far(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "stress", "explore", "bank_program:for_ever"]
    with subprocess.Popen(
        [*command, "--executions", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stderr is not None
        assert "executions" in process.stderr.readline(), "the first progress, after two seconds"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.UNKNOWN, err
    assert "stopped: interrupted\n" in out
    assert "verdict: unknown\n" in out
    assert out.splitlines()[-1].startswith("explore the same again: ")
    assert "Traceback" not in err


BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""


def blocked(package: str, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program, package],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_without_the_extra_one_sentence_says_what_to_install() -> None:
    run_it = "from stress.cli import main; sys.exit(main(['explore', 'bank_program:lost']))"
    done = blocked("bytecode", run_it)
    assert (done.returncode, done.stdout) == (ExitCode.WRONG_USE, "")
    assert done.stderr == (
        "hermes-stress: stress.explore needs bytecode, which is not installed: "
        "python3 -m pip install 'hermes-stress[explore]'\n"
    )
    done = blocked("bytecode", "from stress import explore")
    assert "MissingExtra: stress.explore needs bytecode" in done.stderr
    done = blocked("bytecode", "import stress; stress.Finding, stress.Schedule, stress.Strategy")
    assert (done.returncode, done.stderr) == (0, "")


def test_progress_is_told_by_time_and_not_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "PROGRESS_S", 0.0)
    told: list[explorer.Progress] = []

    def program() -> None:
        threading.Thread(target=lambda: None).start()

    stress.explore(program, executions=5, on_progress=told.append)
    assert [progress.executions for progress in told] == [1, 2, 3, 4, 5]
    assert isinstance(stress.explore(program, executions=1).statistics, Statistics)
