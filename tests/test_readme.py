"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, after: str = "") -> str:
    """The first code block in that language after a text."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index(after) :], re.DOTALL)
    assert found, f"no {language} block after {after!r}"
    return found[1]


def test_the_race_of_the_example_is_found(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(block("python"), encoding="utf-8")
    (command,) = (line for line in block("console").splitlines() if line.startswith("$ "))
    words = command.removeprefix("$ ").split()
    assert words[:3] == ["hermes-stress", "run", "shop:main"]
    arguments = ["-m", "stress", *words[1:], "--time", "60", "--stop-on-first", "--json"]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert re.fullmatch(r"AssertionError: sold \d of 1", finding["message"])


@pytest.mark.parametrize("session", ["tests", "stress"])
def test_the_two_commands_are_those_of_the_noxfile(session: str) -> None:
    marker = "<!-- test command -->" if session == "tests" else "<!-- stress command -->"
    command = block("sh", marker).strip()
    assert command == f"python3 -m pip install nox && python3 -m nox -s {session}"
    assert f"def {session}(session: nox.Session)" in (ROOT / "noxfile.py").read_text()


def test_ci_runs_the_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "<!-- test command -->" in script.read_text(encoding="utf-8")


def test_every_file_that_is_named_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target
    for room in re.findall(r"^\| `(\w+)/` \|", README, re.MULTILINE):
        assert (ROOT / room).is_dir(), room
