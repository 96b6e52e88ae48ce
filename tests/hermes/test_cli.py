"""The `hermes` command against a real endpoint, and the settings that it reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from hermes.cli import main
from hermes.config import ConfigError, hermes_home, load_config, section
from hermes.state import SessionDB
from stress.workloads.script import Fault
from tests.hermes.scripts import call, does, goal, says


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Every test has a home of its own."""


def hermes(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hermes.cli", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_one_question() -> None:
    task = {"goal": goal("child", says("the child's summary"))}
    question = goal("go", does(call("delegate_task", tasks=[task, task])), says("All is done."))
    done = hermes("--query", question, "--model", "scripted")
    assert (done.returncode, done.stdout, done.stderr) == (0, "All is done.\n", "")
    with closing(SessionDB()) as store:
        assert store.session_count() == 3
        assert len(store.search_messages("summary")) > 0


def test_a_conversation_keeps_its_history() -> None:
    questions = f"{goal('a', says('First.'))}\n\n{goal('b', says('Second.'))}\n/quit\n"
    done = hermes(text=questions)
    assert done.returncode == 0, done.stderr
    assert "First." in done.stdout
    assert "Second." in done.stdout
    with closing(SessionDB()) as store:
        (session,) = store.search_sessions()
        assert session["message_count"] == 4


def test_an_end_of_input_ends_it() -> None:
    done = hermes()
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_of_the_endpoint() -> None:
    done = hermes("--query", goal("go", says("never", *[Fault("malformed")] * 30)))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("hermes: JSONDecodeError")
    assert "Traceback" not in done.stderr


def test_ctrl_c_interrupts_the_turn_and_not_the_program() -> None:
    slow = goal("go", does(call("terminal", command="touch started; sleep 60")), says("never"))
    with subprocess.Popen(
        [sys.executable, "-m", "hermes.cli"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(slow + "\n")
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not Path("started").exists():
            assert time.monotonic() < deadline, "the turn did not begin"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(goal("b", says("Still here.")) + "\n", timeout=30)
    assert process.returncode == 0
    assert "(interrupted)" in err
    assert "Still here." in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no key", "hermes: no LLM provider is configured: set OPENAI_API_KEY"),
        ("bad yaml", "config.yaml line 2: "),
        ("no mapping", "config.yaml: expected a mapping, found list"),
        ("no home", "hermes: "),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    change: str,
    words: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if change == "no key":
        monkeypatch.delenv("OPENAI_API_KEY")
    elif change == "bad yaml":
        (home / "config.yaml").write_text("model: [\n")
    elif change == "no mapping":
        (home / "config.yaml").write_text("- model\n")
    else:
        (home / "file").touch()
        monkeypatch.setenv("HERMES_HOME", str(home / "file" / "below"))
    assert main(["--query", "hello"]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_a_damaged_store_is_said_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "state.db").write_bytes(b"no database at all, but long enough to be read" * 30)
    assert main(["--query", "hello"]) == 2
    err = capsys.readouterr().err
    assert err == f"hermes: {home / 'state.db'}: file is not a database\n"


def test_the_home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hermes_home() == home
    monkeypatch.delenv("HERMES_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hermes_home() == tmp_path / ".hermes"


def test_settings(home: Path) -> None:
    assert load_config() == {}
    (home / "config.yaml").write_text("")
    assert load_config() == {}
    (home / "config.yaml").write_text("model: {name: m}\nlist: [1]\n")
    assert section("model") == {"name": "m"}
    assert section("list") == section("nothing") == {}
    (home / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config()
