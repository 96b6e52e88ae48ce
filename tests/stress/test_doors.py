"""The public doors: what they promise, that they open lazily, and what type checkers see."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import stress

ROOT = Path(__file__).parent.parent.parent
DOORS = {
    "Exploration", "Finding", "FindingKind", "FindingsFound", "InvalidArgument", "Schedule",
    "ScheduleDiverged", "Strategy", "Verdict", "check_threads", "explore", "replay", "shrink",
}  # fmt: skip

HEAVY = (
    "stress.engine",
    "stress.instrument",
    "stress.exploration",
    "greenlet",
    "bytecode",
    "hermes",
)


def child(program: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *argv],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "program",
    [
        "import stress",
        "import stress.pytest_plugin",
        "from stress import Finding, Schedule, Strategy, Verdict, ScheduleDiverged",
        "import stress; dir(stress); hasattr(stress, 'nothing')",
    ],
)
def test_importing_loads_nothing_heavy(program: str) -> None:
    loaded = child(f"{program}\nimport sys; print(*sys.modules)").split()
    assert [n for n in loaded if n.startswith(HEAVY)] == []
    assert "stress" in loaded


def test_the_command_line_loads_the_engine_only_where_it_is_asked_for() -> None:
    loaded = child("import stress.cli, sys; print(*sys.modules)").split()
    assert [n for n in loaded if n.startswith(HEAVY)] == []


def test_the_pytest_plugin_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import sys\n"
        f"def test_x(): assert not [n for n in sys.modules if n.startswith({HEAVY!r})]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout


def test_every_door_opens() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    assert set(dir(stress)) >= DOORS
    for name in DOORS:
        assert getattr(stress, name).__name__ == name
    assert not hasattr(stress, "campaign"), "not yet"
    with pytest.raises(AttributeError, match="module 'stress' has no attribute 'explode'"):
        _ = stress.explode  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "stress" / "__init__.py").read_text(encoding="utf-8"))
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (alias.asname, node.module)
        for node in seen.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(stress._DOORS.items())
    assert {name for name, _ in imported} == DOORS


SNIPPET = """
from pathlib import Path
from stress import Exploration, Finding, Schedule, Verdict, check_threads, explore, replay

def program() -> None: ...

exploration: Exploration = explore(program, executions=10, seed=1, targets=("package",))
verdict: Verdict = exploration.verdict
for finding in exploration.findings:
    again: Exploration = replay(program, finding)
    replay(program, Path("finding.json"))
    if finding.schedule is not None:
        schedule: Schedule = finding.schedule
        replay(program, schedule)
checked: Exploration = check_threads(list, [len], bool, executions=3)
exploration.raise_if_violated()
explore(program, executions="many")
"""


def test_a_type_checker_accepts_right_use_and_refuses_wrong(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "snippet.py").write_text(SNIPPET)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "snippet.py"],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
    )
    errors = [line for line in done.stdout.splitlines() if line.startswith("snippet.py")]
    assert len(errors) == 1, done.stdout + done.stderr
    assert '"executions"' in errors[0]


def test_the_signatures_are_those_that_are_promised() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    parameters = inspect.signature(stress.explore).parameters
    promised = (
        "program strategy executions seed targets carrier step_limit time_limit_s stop_on_first"
    )
    more = {"saturation", "focus", "detectors", "free_threaded", "shrink", "on_progress"}
    assert [name for name in parameters if name not in more] == promised.split()
    assert list(inspect.signature(stress.check_threads).parameters)[:3] == [
        "setup", "workers", "invariant",
    ]  # fmt: skip


# -- raise_if_violated ----------------------------------------------------------------------------


def racy() -> None:
    box: list[int] = []
    threads = [threading.Thread(target=lambda: box.append(len(box))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [0, 1]


def test_a_violated_exploration_raises_its_report_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRESS_FINDINGS", "kept")
    exploration = stress.explore(racy)
    with pytest.raises(stress.FindingsFound) as caught:
        exploration.raise_if_violated()
    text = str(caught.value)
    assert text.startswith(exploration.findings[0].message.partition("\n")[0])
    assert "interleaving" in text
    (file,) = tmp_path.glob("kept/*/finding.json")
    again = stress.replay(racy, file.relative_to(tmp_path))
    assert again.findings[0].fingerprint == exploration.findings[0].fingerprint
    last = text.splitlines()[-1]
    assert last == f"run it again: hermes-stress replay kept/{file.parent.name}"
    # Where nothing can be written the report is the same, and the finding is in Python's hands.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRESS_FINDINGS", "file/below")
    with pytest.raises(stress.FindingsFound, match=r"run it again: stress\.replay\(racy, finding"):
        exploration.raise_if_violated()


def test_what_holds_raises_nothing() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    stress.explore(lambda: None, executions=1).raise_if_violated()


def test_a_replay_of_what_has_no_schedule_is_refused() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    finding = stress.Finding(kind=stress.FindingKind.CRASH, message="", fingerprint="a" * 64)
    with pytest.raises(stress.InvalidArgument, match="has no schedule; `hermes-stress replay`"):
        stress.replay(racy, finding)
    with pytest.raises(stress.InvalidArgument, match="there is no finding 'nowhere'"):
        stress.replay(racy, "nowhere")


PYTEST = """
import threading
from stress import explore

class Account:
    balance = 0
    def pay(self):
        self.balance = self.balance + 1

def test_pay():
    def program():
        account = Account()
        threads = [threading.Thread(target=account.pay) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert account.balance == 2

    explore(program).raise_if_violated()
"""


def test_in_pytest_the_report_is_what_one_sees(tmp_path: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    (tmp_path / "test_bank.py").write_text(PYTEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_bank.py"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout
    assert ">       explore(program).raise_if_violated()" in done.stdout, "the line of the test"
    assert "explorer.py" not in done.stdout.replace("stress/explorer.py:", ""), done.stdout
    assert "raise FindingsFound" not in done.stdout
    assert "interleaving" in done.stdout
    assert "write balance" in done.stdout
    assert "run it again: stress.replay(program, '.stress/findings/exception-" in done.stdout
