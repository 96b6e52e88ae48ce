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


def block(language: str, after: str = "", page: str = README) -> str:
    """The first code block in that language after a text."""
    found = re.search(rf"```{language}\n(.*?)```", page[page.index(after) :], re.DOTALL)
    assert found, f"no {language} block after {after!r}"
    return found[1]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(block("python"), encoding="utf-8")
    return tmp_path


def ran(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("STRESS_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )


def without_numbers(line: str) -> str:
    """The line without what differs from machine to machine."""
    return re.sub(
        r"\d[\d,.]*", "N", re.sub(r"(executions?|switches|in) \d.*", r"\1", line)
    ).rstrip()


def test_the_example_is_explored_as_shown(shop: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    command, *shown = block("console").splitlines()
    words = command.removeprefix("$ ").split()
    assert words == ["hermes-stress", "explore", "shop:main"]
    done = ran(shop, "-m", "stress", *words[1:])
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    # In this order, and nothing left out but where it says so.
    printed = [without_numbers(line) for line in done.stdout.splitlines()]
    at, gap = 0, False
    for line in map(without_numbers, shown):
        if line == "…":
            gap = True
            continue
        at = printed.index(line, at) if gap else at
        assert printed[at] == line
        at, gap = at + 1, False
    assert at == len(printed)


def test_what_the_example_finds_is_replayed(shop: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    (command,) = (line for line in block("console").splitlines() if line.startswith("run it again"))
    assert ran(shop, "-m", "stress", "explore", "shop:main").returncode == 1
    words = command.removeprefix("run it again: hermes-stress ").split()
    done = ran(shop, "-m", "stress", *words)
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("reproduced, by one execution under its schedule\n")


def test_what_the_example_finds_is_shrunk_as_said(shop: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    assert "The execution that failed first had two preemptions." in README
    done = ran(shop, "-m", "stress", "explore", "shop:main")
    assert "; shrunk from 2 preemptions to 1)\n" in done.stdout


def test_what_the_docs_show_of_coverage_is_what_is_written() -> None:
    page = (ROOT / "docs" / "controlled-execution.md").read_text(encoding="utf-8")
    golden = ROOT / "tests" / "stress" / "report" / "golden" / "exploration_holds.txt"
    (shown,) = (line for line in page.splitlines() if line.startswith("seen: "))
    assert shown in golden.read_text(encoding="utf-8").splitlines()


def test_the_example_in_python(shop: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    done = ran(shop, "-c", block("python", "The same from Python"))
    assert done.returncode == 1
    assert "FindingsFound: AssertionError: sold 2 of 1" in done.stderr
    assert "interleaving" in done.stderr


def test_the_race_of_the_example_is_found_on_real_threads(shop: Path) -> None:
    (command,) = re.findall(r"^\$ (hermes-stress run .*)$", README, re.MULTILINE)
    words = command.split()
    assert words[:3] == ["hermes-stress", "run", "shop:main"]
    done = ran(shop, "-m", "stress", *words[1:], "--time", "60", "--stop-on-first", "--json")
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert re.fullmatch(r"AssertionError: sold \d of 1", finding["message"])


def test_the_example_for_pytest_on_the_page_of_controlled_execution(shop: Path) -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    page = (ROOT / "docs" / "controlled-execution.md").read_text(encoding="utf-8")
    (shop / "test_shop.py").write_text(block("python", "### In pytest", page), encoding="utf-8")
    done = ran(shop, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py")
    assert done.returncode == 1, done.stdout
    assert "interleaving" in done.stdout
    assert "run it again: stress.replay(program, '.stress/findings/exception-" in done.stdout


def test_every_link_on_the_page_leads_somewhere() -> None:
    page = (ROOT / "docs" / "controlled-execution.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


@pytest.mark.parametrize("session", ["tests", "stress"])
def test_the_two_commands_are_those_of_the_noxfile(session: str) -> None:
    marker = "<!-- test command -->" if session == "tests" else "<!-- stress command -->"
    command = block("sh", marker).strip()
    sessions = "tests compiled" if session == "tests" else session
    assert command == f"python3 -m pip install nox && python3 -m nox -s {sessions}"
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
