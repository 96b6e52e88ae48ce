"""The hunt for first bugs: what is asked, what is counted, and what a row says of it."""

from __future__ import annotations

import bench
import pytest

from benchmarks.first_bug import Hunt, corpus_row, safe_stack_row, yardstick_row
from benchmarks.hunt import TOOLS, CannotRun, Split, answered
from benchmarks.hunted import PUBLISHED, corpus, program_of, twins
from benchmarks.peers import missing_row, peer_row
from benchmarks.twins import twin_row


def hunt(*executions: int, missed: int = 0, trouble: str = "", seconds: float = 0.5) -> Hunt:
    return Hunt(list(executions), [seconds] * len(executions), missed, trouble)


def test_all_yardsticks_are_programs_and_the_corpus_is_there() -> None:
    assert all(callable(program_of(name)) for name in PUBLISHED)
    assert len(corpus()) >= 55
    assert not set(corpus()) & set(PUBLISHED)


def test_the_mean_stands_beside_what_was_published() -> None:
    row = yardstick_row("reorder_3", "portfolio", hunt(4, 6))
    assert (row.figure, row.other, row.verdict, row.note) == (5, 7, "met", "0.500 s")
    assert yardstick_row("reorder_3", "portfolio", hunt(11)).verdict == "missed"
    assert yardstick_row("reorder_3", "pct", hunt(11)).verdict == ""


def test_bars_in_executions_are_the_narrower_ones() -> None:
    assert yardstick_row("twostage_100", "portfolio", hunt(60)).verdict == "met"
    assert yardstick_row("twostage_100", "portfolio", hunt(61)).verdict == "missed"
    assert yardstick_row("reorder_100", "portfolio", hunt(9)).verdict == "met"
    assert yardstick_row("reorder_100", "portfolio", hunt(10)).verdict == "missed"


def test_a_seed_that_found_nothing_misses_the_bar() -> None:
    found = hunt(3, missed=1, trouble="not in 10,000 executions")
    row = yardstick_row("reorder_3", "portfolio", found)
    assert (row.verdict, row.note) == ("missed", "0.500 s, in 1 of 2 seeds")
    assert corpus_row("torn.torn_point", found).verdict == "missed"
    assert corpus_row("torn.torn_point", hunt(3, 70)).verdict == "met"
    nothing = yardstick_row("reorder_3", "random", hunt(missed=3, trouble="not in 9 executions"))
    assert nothing.note == "not in 9 executions, in 0 of 3 seeds"


def test_the_hardest_program_is_on_a_run_of_its_own() -> None:
    assert callable(program_of("safe_stack"))
    assert "safe_stack" not in corpus()
    assert "safe-stack" in bench.ALONE & set(bench.BENCHMARKS)
    row = safe_stack_row(0, hunt(400_000))
    assert (row.verdict, row.other) == ("met", 368_921)
    assert safe_stack_row(0, hunt(1_000_001)).verdict == "missed"
    assert safe_stack_row(0, hunt(missed=1)).verdict == "missed"


def test_the_twin_of_the_hardest_program_is_clean() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    from stress.exploration import explore
    from tests.corpus.safe_stack import safe_stack_under_a_lock

    for strategy in ("portfolio", "pct"):
        found = explore(safe_stack_under_a_lock, strategy=strategy, executions=300)
        assert found.findings == ()


def test_the_faster_door_of_a_peer_is_what_counts() -> None:
    doors = {"dpor": hunt(3, seconds=2.0), "random": hunt(3, seconds=0.1)}
    row = peer_row("torn.torn_point", "frontrun", hunt(3, seconds=0.05), doors)
    assert (row.beside, row.other, row.verdict) == ("frontrun random", 0.1, "met")
    slower = hunt(3, 5, 9, seconds=0.2)
    slower.prepared += [0.125, 0.125, 0.15]
    row = peer_row("x", "frontrun", slower, doors)
    assert (row.verdict, row.note) == (
        "missed", "5 executions here, 3 there; to prepare the process 0.125 s here",
    )  # fmt: skip


def test_without_a_peer_that_could_be_had_no_bar_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_row("frontrun").verdict == "missed"
    monkeypatch.setattr("sys.version_info", (3, 11))
    assert (missing_row("interleave").verdict, missing_row("interleave").note) == (
        "", "needs Python 3.12",
    )  # fmt: skip
    monkeypatch.setattr("sys.version_info", (3, 12))
    assert missing_row("interleave").verdict == "missed"


def test_where_a_peer_fails_the_row_says_why() -> None:
    doors = {"dpor": hunt(missed=1, trouble="it hangs"), "random": hunt(3, missed=1, trouble="no")}
    row = peer_row("x", "frontrun", hunt(3), doors)
    assert (row.other, row.bar, row.note) == (
        None,
        None,
        "frontrun fails: dpor: it hangs; random: no",
    )
    assert peer_row("x", "frontrun", hunt(missed=1), {"dpor": hunt(1)}).verdict == "missed"


def test_what_a_child_answers_counts() -> None:
    found = Hunt()
    assert found.add({"found": True, "executions": 3, "seconds": 0.1, "trouble": ""})
    assert not found.add({"found": False, "executions": 1200, "seconds": 5.0, "trouble": ""})
    assert found.trouble == "not in 1,200 executions"
    assert not found.add(None)
    assert (found.executions, found.missed, found.trouble) == ([3], 2, "it hangs or dies")


def test_ours_is_asked_with_its_defaults() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    question = {"strategy": "portfolio", "seed": 0, "executions": 50, "limit_s": 10.0}
    answer = answered(TOOLS["ours"], {**question, "program": "torn.torn_point"})
    assert (answer["found"], answer["trouble"]) == (True, "")
    assert answer["executions"] <= 50


def test_what_the_peer_cannot_be_asked_is_told() -> None:
    pytest.importorskip("greenlet")

    def starts_none() -> None:
        pass

    with pytest.raises(CannotRun, match="it starts its threads itself"):
        Split(starts_none)
    answer = answered(TOOLS["frontrun"], {"program": "owners.daemon_not_waited_for"})
    assert (answer["found"], answer["executions"]) == (False, 0)
    assert answer["trouble"] != ""


def test_a_program_is_split_at_its_threads() -> None:
    pytest.importorskip("greenlet")
    split = Split(program_of("torn.torn_point"))
    assert split.threads == 2
    run = split.setup()
    for thread in run.threads:
        thread()
    assert split.invariant(run) is True
    lost = Split(program_of("reorder_3")).setup()
    assert len(lost.threads) == 3


def test_a_twin_is_clean_and_a_wrong_program_is_seen_to_be_wrong() -> None:
    pytest.importorskip("bytecode", reason="the extra `explore` is not installed")
    right = twin_row("right", twins()["torn.whole_point"], 150)
    assert (right.figure, right.verdict) == (0, "met")
    assert "all interleavings were executed; random: " in right.note
    wrong = twin_row("wrong", program_of("torn.torn_point"), 50)
    assert wrong.figure >= 1
    assert wrong.verdict == "missed"
    assert twin_row("nothing", nothing, 50).verdict == "missed", "explored nothing"


def nothing() -> None:
    pass
