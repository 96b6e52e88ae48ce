"""The reports a person reads, against golden texts; STRESS_REFRESH_GOLDEN=1 writes them anew."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stress.api import Replay
from stress.finding import Frame, ThreadStack
from stress.report.console import (
    duration,
    finding_text,
    findings_text,
    render_crash,
    render_finding,
    render_summary,
    replay_text,
)
from stress.report.exploration import diverged_text, exploration_text, replayed_text
from stress.report.timeline import timeline
from tests.stress.report import samples

GOLDEN = Path(__file__).parent / "golden"
AGAIN = "hermes-stress run mixed --seed 42 --trials 1234"
EXPLORE = "hermes-stress explore bank:main --seed 7"
DIVERGED = (
    "switch 1: expected that when task 1 is about to write balance in Account.pay, task 2 goes on; "
    "found that the running task came to its end or has to wait before that, and that tasks 0, 2 "
    "are ready"
)
ENDED_EARLY = (
    "the program ended before the schedule did: expected that when task 1 cannot go on, task 0 "
    "goes on"
)
CRASHED_TEST = {
    "signal": 11,
    "threads": samples.CRASH.threads,
    "operations": samples.CRASH.operations,
    "stdout_tail": "ab\tc\n",
    "command": "pytest tests/test_x.py::test_y",
}

REPORTS = {
    "finding_crash": lambda: render_finding(samples.CRASH),
    "finding_invariant": lambda: render_finding(samples.INVARIANT),
    "finding_crowd": lambda: render_finding(samples.CROWD),
    "crash_of_a_test": lambda: render_crash("tests/test_x.py::test_y crashed", **CRASHED_TEST),
    "summary_violated": lambda: render_summary(samples.VIOLATED, AGAIN),
    "summary_holds": lambda: render_summary(samples.HOLDS, AGAIN),
    "summary_unknown": lambda: render_summary(samples.UNKNOWN, AGAIN),
    "replay_seen": lambda: (
        replay_text(samples.CRASH, Replay(10, 7, (samples.INVARIANT,)), 0.26).plain
    ),
    "replay_not_seen": lambda: replay_text(samples.CRASH, Replay(10, 0, ()), 0.2589).plain,
    "controlled_lost_update": lambda: render_finding(samples.LOST_UPDATE),
    "controlled_narrow": lambda: render_finding(samples.LOST_UPDATE, width=64),
    "controlled_deadlock": lambda: render_finding(samples.DEADLOCK),
    "controlled_crowded": lambda: render_finding(samples.CROWDED),
    "exploration_holds": lambda: exploration_text(samples.EXPLORED, EXPLORE).plain,
    "exploration_violated": lambda: (
        exploration_text(samples.EXPLORED_VIOLATED, EXPLORE, ("it could not be saved",)).plain
    ),
    "exploration_unknown": lambda: exploration_text(samples.EXPLORED_UNKNOWN, EXPLORE).plain,
    "schedule_reproduced": lambda: (
        replayed_text(samples.LOST_UPDATE, samples.EXPLORED_VIOLATED).plain
    ),
    "schedule_clean": lambda: replayed_text(samples.LOST_UPDATE, samples.EXPLORED).plain,
    "schedule_unknown": lambda: replayed_text(samples.LOST_UPDATE, samples.EXPLORED_UNKNOWN).plain,
    "schedule_of_another": lambda: replayed_text(samples.DEADLOCK, samples.EXPLORED_VIOLATED).plain,
    "schedule_diverged": lambda: diverged_text(samples.LOST_UPDATE, DIVERGED).plain,
    "schedule_too_long": lambda: diverged_text(samples.LOST_UPDATE, ENDED_EARLY).plain,
    "findings": lambda: findings_text([samples.INVARIANT, samples.CRASH]).plain,
}


def golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("STRESS_REFRESH_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"STRESS_REFRESH_GOLDEN=1 rewrites {path.name}"


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str) -> None:
    golden(name, REPORTS[name]())


def test_every_golden_text_belongs_to_a_report() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(REPORTS)


def test_a_changed_report_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRESS_REFRESH_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match=r"rewrites findings\.txt"):
        golden("findings", "another text")


def test_the_first_line_says_what_is_wrong_and_the_last_how_to_see_it_again() -> None:
    lines = render_finding(samples.CRASH).splitlines()
    assert lines[0] == samples.CRASH.message
    assert lines[-1] == f"run it again: {samples.CRASH.replay_command}"


def test_the_failed_thread_comes_first_and_library_frames_are_folded() -> None:
    text = render_finding(samples.CRASH)
    assert text.index("printer-1 ◀ here") < text.index("  main\n")
    assert "… 2 library frames" in text
    assert "outer" not in text


def test_captured_output_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in render_finding(samples.CRASH)
    assert "\x07" not in render_finding(samples.CRASH)


@pytest.mark.parametrize(("terminal", "no_colour"), [(True, False), (True, True), (False, False)])
def test_colours_are_for_terminals_only(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_colour: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal or None)
    console.print(finding_text(samples.CRASH), soft_wrap=True, end="")
    coloured = any(code in stream.getvalue() for code in ("\x1b[1;31m", "\x1b[31m"))
    assert coloured is (terminal and not no_colour)
    if not terminal:
        assert stream.getvalue() == render_finding(samples.CRASH)


def test_a_thread_that_waits_for_a_lock_says_so(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("with self._lock:\n")
    stack = ThreadStack("actor", (Frame(str(path), 1, "take"),))
    assert "actor (waits for a lock)" in render_crash("title", threads=[stack])


def test_a_path_below_here_is_shown_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stack = ThreadStack("actor", (Frame(str(tmp_path / "package" / "a.py"), 1, "take"),))
    assert "take  package/a.py:1\n" in render_crash("title", threads=[stack])


def test_equal_stacks_are_shown_once() -> None:
    text = render_finding(samples.CROWD)
    assert "actor-3 ◀ here" in text
    assert "actor-0, actor-1, actor-2, actor-4 and 25 more\n" in text


def test_different_stacks_are_shown_up_to_a_bound() -> None:
    stacks = [ThreadStack(f"t{n}", (Frame("/p.py", n, "f"),)) for n in range(30)]
    text = render_crash("title", threads=stacks)
    assert text.count("/p.py") == 24
    assert "… 6 more threads" in text


def test_a_deep_stack_is_cut() -> None:
    deep = ThreadStack("t", (Frame("/p.py", 1, "f"),) * 100)
    assert "… 70 more frames" in render_crash("title", threads=[deep])


def test_a_message_of_several_lines_keeps_them_and_steers_nothing() -> None:
    text = render_finding(replace(samples.INVARIANT, message="one\n\x1b[2Jtwo"))
    assert text.startswith("one\n�[2Jtwo\ninvariant-")


def test_a_crash_tells_the_little_it_knows() -> None:
    assert render_crash("worker gw0 is gone") == "worker gw0 is gone\n"
    assert render_crash("gone", exit_code=3) == "gone\nexit code 3\n"
    assert render_crash("gone", signal=200) == "gone\nended by signal 200\n"


def test_a_timeline_keeps_to_its_width_and_counts_what_it_left_out() -> None:
    entries = [(n * 1_000_000, f"t{n % 3}", "begin", n, "family.verb" * 9) for n in range(50)]
    lines = timeline(samples.operations(*entries), width=60)
    assert max(map(len, lines)) <= 60
    assert lines[1].split() == ["…", "18", "before"]
    assert len(lines) == 34


def test_an_operation_that_nothing_came_between_is_one_row() -> None:
    lines = timeline(
        samples.operations(
            (1_000_000, "a", "begin", 1, "x.y"),
            (2_000_000, "a", "end", 1, "x.y"),
            (3_000_000, "a", "begin", 2, "x.y"),
            (4_000_000, "b", "begin", 3, "x.z"),
            (5_000_000, "a", "end", 2, "x.y"),
            (6_000_000, "b", "error", 3, "x.z"),
        )
    )
    assert [line.split() for line in lines[1:]] == [
        ["1.000", "▶◀", "x.y", "#1"],
        ["3.000", "▶", "x.y", "#2"],
        ["4.000", "▶", "x.z", "#3"],
        ["5.000", "◀", "x.y", "#2"],
        ["6.000", "✗", "x.z", "#3"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (187, "3 min 07 s"),
        (3599.9, "1 h 00 min"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
