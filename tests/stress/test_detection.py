"""Detectors in explorations: options, findings, and their reports."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stress import FindingKind, InvalidArgument, Verdict, explore, replay, shrink
from stress.controlled import Explained, Laboratory, laboratory
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.detect.watched import Watched
from stress.diagnosis import Execution
from stress.engine.outcome import Ending, Outcome
from stress.report.console import render_finding
from stress.schedule import Schedule
from stress.site import Site
from stress.steps import Step
from stress.strategies.random_walk import RandomWalk
from tests.corpus import CASES
from tests.corpus.case import Case, together
from tests.corpus.races import counters, halves, lock_orders, unordered
from tests.corpus.readers import readers_counted_with

GOLDEN = Path(__file__).parent / "detect" / "golden"


def test_without_detectors_nothing_is_detected() -> None:
    assert explore(counters.racy_visits).verdict is Verdict.HOLDS


def test_a_wrong_name() -> None:
    with pytest.raises(
        InvalidArgument, match="no detector 'race'; choose of races, atomicity, lock-order, leaks"
    ):
        explore(counters.racy_visits, detectors=["race"])
    with pytest.raises(InvalidArgument, match="give a sequence of names"):
        explore(counters.racy_visits, detectors="races")


def test_a_detector_of_ones_own() -> None:
    def long_traces(trace: Trace) -> list[Suspicion]:
        if len(trace.steps) < 3:
            return []
        return [Suspicion(FindingKind.LEAK, Grade.TORN, "steps", (0, 2), "too many {what}: {1}")]

    found = explore(counters.racy_visits, detectors=[long_traces])
    assert [finding.kind for finding in found.findings] == [FindingKind.LEAK]
    assert found.findings[0].message.startswith("too many steps: ")


def test_what_is_harmless_with_the_interpreters_lock() -> None:
    strict = explore(unordered.racy_plain_flag, detectors=["races"], free_threaded=True)
    assert [finding.kind for finding in strict.findings] == [FindingKind.DATA_RACE]
    assert explore(unordered.racy_plain_flag, detectors=["races"]).verdict is Verdict.HOLDS


def test_a_finding_is_shrunk_to_one_preemption() -> None:
    found = explore(counters.racy_visits, detectors=["atomicity"], strategy="random", shrink=False)
    smaller = shrink(counters.racy_visits, found.findings[0])
    assert smaller.schedule is not None
    assert smaller.schedule.preemptions == 1
    assert smaller.fingerprint == found.findings[0].fingerprint
    assert replay(counters.racy_visits, smaller).findings[0].fingerprint == smaller.fingerprint


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps_are_those_of_the_events(case: Case) -> None:
    strategy = Watched(RandomWalk(3))
    module = case.program.__module__
    with laboratory(case.program, (module,), "auto") as lab:
        outcome = lab.execute(case.program, strategy, seed=3, step_limit=5_000)
        assert outcome is not None
        seen = [(step.task, step.site) for step in strategy.steps]
        execution, note, _ = lab.explain(case.program, outcome, 0, 3, 5_000, watched=True)
    assert not note
    assert [(step.task, step.site) for step in execution.steps] == seen
    events = execution.events[len(execution.events) - len(execution.steps) :]
    assert [event.task for event in events] == [step.task for step in execution.steps]
    for event, step in zip(events, execution.steps, strict=True):
        # Who is notified takes the lock, and is still told to wait.
        if event.anchor.kind != "wait":
            assert (event.anchor.kind, event.anchor.name) == (step.site.kind, step.site.name)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("lost_update", counters.racy_visits),
        ("torn_update", halves.racy_two_fields),
        ("lock_order", lock_orders.racy_ring_of_three),
        ("data_race", unordered.racy_iteration),
    ],
)
def test_report(name: str, program: Callable[[], None]) -> None:
    found = explore(program, detectors=("races", "atomicity", "lock-order"))
    told, _, rest = render_finding(found.findings[0]).partition("\nthe operations that conflict\n")
    # How deep the stacks are depends on the Python.
    repair = rest[rest.index("what would repair it") : rest.index("\nschedule ")]
    text = f"{told}\n{repair}"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("STRESS_REFRESH_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"STRESS_REFRESH_GOLDEN=1 rewrites {path.name}"


def test_the_docs_show_the_report() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
    shown = docs.partition("<!-- golden: lost_update -->\n```\n")[2].partition("\n```")[0]
    assert shown == (GOLDEN / "lost_update.txt").read_text(encoding="utf-8").rstrip("\n")


def test_a_lock_order_that_cannot_deadlock_is_a_note() -> None:
    """Who holds the one lock is not who takes the other: a lock for many readers."""
    found = explore(readers_counted_with, detectors=["lock-order"], shrink=False, executions=100)
    assert found.verdict is Verdict.HOLDS
    assert any("no execution could be led into a deadlock" in note for note in found.notices)


def test_that_an_execution_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stress.detection.STEPS_MAX", 5)
    found = explore(counters.racy_visits, detectors=["atomicity"], shrink=False)
    assert found.verdict is Verdict.HOLDS
    assert any("did not look at executions of more than 5 steps" in note for note in found.notices)


class Desk:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_closed = False

    def serve(self) -> None:
        """Keeps the lock where it is closed."""
        self.lock.acquire()
        if self.is_closed:
            return
        self.lock.release()

    def serve_carefully(self) -> None:
        with self.lock:
            if self.is_closed:
                return

    def close(self) -> None:
        self.is_closed = True


def test_a_lock_that_is_never_given_back() -> None:
    def leaking() -> None:
        desk = Desk()
        together(desk.serve, desk.close)

    def careful() -> None:
        desk = Desk()
        together(desk.serve_carefully, desk.close)

    found = explore(leaking, detectors=["leaks"], targets=[__name__])
    assert [finding.kind for finding in found.findings] == [FindingKind.LEAK]
    assert found.findings[0].message.startswith("leak of lock: task 1 takes it in Desk.serve ")
    again = replay(leaking, found.findings[0], targets=[__name__])
    assert again.findings[0].fingerprint == found.findings[0].fingerprint
    assert explore(careful, detectors=["leaks"], targets=[__name__]).verdict is Verdict.HOLDS


def test_a_lock_that_is_held_at_a_deadlock_is_no_leak() -> None:
    found = explore(
        lock_orders.racy_two_locks, detectors=["leaks"], stop_on_first=False, shrink=False
    )
    assert {finding.kind for finding in found.findings} == {FindingKind.DEADLOCK}


def test_the_detector_of_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
    source = docs.partition("## One of your own")[2].partition("```python\n")[2].partition("```")[0]
    names = {"explore": explore, "program": counters.racy_visits}
    exec(source, names)
    detector = names["too_many_locks"]
    locks = [
        Step(0, Site("acquire", "Lock", "", "", "", 0, 0), n, 0, True, "", 1, ())
        for n in range(1, 6)
    ]
    assert [found.steps for found in detector(Trace(locks))] == [(4,)]  # type: ignore[operator]
    assert detector(Trace(locks[:4])) == []  # type: ignore[operator]


def test_what_cannot_be_shown_again_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(lab: Laboratory, *_: object, **__: object) -> Explained:
        outcome = Outcome(Ending.FINISHED, (), (), (), (), 1, 1, 0, 0, 0.0)
        execution = Execution(number=0, outcome=outcome, events=(), schedule=Schedule(0, ()))
        return Explained(execution, "diverged")

    monkeypatch.setattr(Laboratory, "explain", lost)
    found = explore(counters.racy_visits, detectors=["atomicity"], shrink=False)
    assert found.verdict is Verdict.UNKNOWN
    assert "diverged" in found.reason
