"""The soak in small: the same with the same choices, and everything as it was. And it can fail."""

from __future__ import annotations

import sys
import threading
import time

import pytest
import soak
from soaking import executions
from soaking.surroundings import changes, picture

from stress.controlled import laboratory
from stress.exploration import explore, replay
from stress.finding import Verdict
from stress.schedule import Schedule
from tests.corpus import CASES
from tests.corpus.case import Case, together
from tests.stress.engine.carriers import CARRIERS


@pytest.mark.parametrize("program", soak.all_programs())
@pytest.mark.parametrize("carrier", CARRIERS)
def test_it_does_the_same_again(carrier: str, program: str) -> None:
    wanted = soak.all_programs()[program]
    with laboratory(wanted, None, carrier) as lab:
        tally = executions.soak(lab, wanted, 60)
    assert tally.differences == []
    assert (tally.executions, tally.replayed) == (60, 2)


@pytest.mark.parametrize("program", list(soak.all_programs())[::8])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_it_leaves_nothing(carrier: str, program: str) -> None:
    assert soak.examine(program, carrier, 10).tally.differences == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_found_and_its_twin_is_clean(case: Case) -> None:
    wrong = case.kind is not None
    exploration = explore(
        case.program, executions=2000 if wrong else 300, step_limit=executions.STEP_LIMIT
    )
    if not wrong:
        assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
        return
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    finding = exploration.findings[0]
    assert finding.kind in (case.kind, case.also)
    assert case.place in f"{finding.place} {finding.message}"
    assert "note" not in finding.details
    assert finding.schedule is not None
    schedule = Schedule.from_json(finding.schedule.to_json())
    again = replay(case.program, schedule, step_limit=executions.STEP_LIMIT)
    assert again.findings[0].fingerprint == finding.fingerprint
    assert again.findings[0].trace == finding.trace


def test_the_corpus_is_two_sided() -> None:
    wrong = [case for case in CASES if case.kind is not None]
    assert len(wrong) >= 55
    assert all((case.preemptions is None) == (case.kind is None) for case in CASES)
    assert len(CASES) - len(wrong) >= len(wrong)
    assert len({str(case) for case in CASES}) == len(CASES)


# -- the soak is seen to fail ---------------------------------------------------------------------

times: list[int] = []


def never_the_same() -> None:
    """Does something else every third time."""
    times.append(1)
    lock = threading.Lock()

    def work() -> None:
        for _ in range(1 + (len(times) % 3 == 0)):
            with lock:
                pass

    together(work, work)


def fails_differently() -> None:
    times.append(1)
    together(int, int)
    assert len(times) % 3, len(times)


@pytest.mark.parametrize("program", [never_the_same, fails_differently])
def test_a_program_that_does_something_else_is_noticed(program: soak.Program) -> None:
    with laboratory(program, None, "auto") as lab:
        tally = executions.soak(lab, program, 20)
    assert len(tally.differences) >= 5
    row = soak.Row("never", "greenlet", tally, 1.0)
    assert soak.conclude([row]) == 1
    assert "DIFFERENCES" in str(row)


def test_what_is_left_behind_is_noticed() -> None:
    before = picture()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    sleep, time.sleep = time.sleep, lambda seconds: None
    threading.leftover = 1  # type: ignore[attr-defined]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 1)
    try:
        found = changes(before, picture())
    finally:
        sys.setrecursionlimit(limit)
        time.sleep = sleep
        del threading.leftover  # type: ignore[attr-defined]
        stop.set()
        thread.join()
    assert {line.partition(" is ")[0].partition(":")[0] for line in found} == {
        "time.sleep", "threading.leftover", "number of threads", "threads", "frames",
        "threads of the system", "limits",
    }  # fmt: skip
    assert changes(before, picture()) == []


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--executions", "3", "--carrier", "thread", "--limit", "0"]
    assert soak.main([*options, "--program", "lost_update"]) == 0
    printed = capsys.readouterr().out
    assert "programs.lost_update" in printed
    assert "thread: 1 programs, 3 executions, each made twice" in printed
    assert "programs with differences: 0" in printed
    with pytest.raises(SystemExit):
        soak.main(["--program", "no_such"])
