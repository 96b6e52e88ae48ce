"""Medians of rounds, the faster door of the peer, and a peer that is not there."""

from __future__ import annotations

import sys

import pytest

from benchmarks.programs import PROGRAMS, Counter, work_alone_and_add
from benchmarks.side import calibrate, measure
from benchmarks.throughput import fastest, program_rows, rate_of, short


def answer(executions: int, trouble: str = "") -> dict[str, object]:
    return {"executions": executions, "seconds": 0.5, "cpu_seconds": 0.25, "trouble": trouble}


def test_the_median_round_counts() -> None:
    assert rate_of([answer(50), answer(1000), answer(60)]) == (120, "")
    assert rate_of([answer(50), answer(3, "stalled")]) == (None, "stalled")


def test_the_faster_door_is_the_peer() -> None:
    assert fastest({"dpor": [answer(10)], "random": [answer(30)]}) == (("random", 60), "")
    assert fastest({"dpor": [answer(10, "Timed out. Sorry.")], "random": [answer(30)]}) == (
        ("random", 60),
        "dpor, 20 /s, is left out: Timed out",
    )
    assert fastest({"dpor": [answer(1, "no")]}) == (None, "dpor, 2 /s, is left out: no")
    assert fastest({}) == (None, "peer not installed")


def test_a_row_for_each_carrier() -> None:
    ours = {"greenlet": [answer(2000)], "thread": [answer(500)]}
    fast, slow = program_rows("lost update", {**ours, "dpor": [answer(50)]})
    assert (fast.name, fast.ratio, fast.verdict) == ("lost update, greenlets", 40, "met")
    assert (slow.name, slow.ratio, slow.verdict) == ("lost update, OS threads", 10, "met")
    assert (fast.beside, fast.note) == ("frontrun dpor", "× 40 by CPU time")


def test_without_the_peer_no_bar_is_met() -> None:
    ours = {"greenlet": [answer(2000)], "thread": [answer(500)]}
    rows = program_rows("lost update", dict(ours))
    assert [(row.note, row.met) for row in rows] == [("peer not installed", False)] * 2


def test_no_verdict_of_ours_is_an_error() -> None:
    broken = {"greenlet": [answer(2000, "unknown: nothing")], "thread": [answer(500)]}
    with pytest.raises(SystemExit, match="lost update on greenlets gave no verdict: unknown"):
        program_rows("lost update", broken)


def test_trouble_is_told_in_short() -> None:
    assert short("It stalled. Then more.") == "It stalled"
    assert short("x" * 100, limit=10) == "xxxxxxxxx…"


def test_measuring_stops_at_trouble() -> None:
    calls = []

    def call(executions: int) -> tuple[int, str]:
        calls.append(executions)
        return executions, "stalled" if len(calls) == 2 else ""

    found = measure(call, 3, 60)
    assert (found["executions"], found["trouble"]) == (6, "stalled")
    assert calls == [3, 3]
    assert calibrate(lambda asked: (asked, "stalled"))[0] == 8


def test_a_search_that_ends_early_is_calibrated_too() -> None:
    executions, _, trouble = calibrate(lambda asked: (6, ""))
    assert (executions, trouble) == (6, "")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda program: program.name)
def test_the_programs_run_without_control(program: object) -> None:
    state = program.setup()
    if program.name == "condition buffer":
        program.workers[0](state)
    for worker in program.workers[program.name == "condition buffer" :]:
        worker(state)


def test_about_two_thousand_bytecodes() -> None:
    count = 0

    def trace(frame: object, event: str, argument: object) -> object:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    # Python 3.12 traces opcodes only where it was asked to before.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        work_alone_and_add(Counter())
    finally:
        sys.settrace(before)
    assert 1_500 < count < 2_500
