"""Histories recorded in programs under control, where time is a model and so are locks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

pytest.importorskip("bytecode")

from stress.exploration import explore, replay
from stress.finding import FindingKind, Verdict
from stress.oracles.history import Call
from tests.stress.oracles.linearizability import programs

CARRIERS = ["greenlet", "thread"] if find_spec("greenlet") else ["thread"]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("strategy", ["portfolio", "dpor"])
def test_a_lost_increment_is_found(carrier: str, strategy: str) -> None:
    found = explore(programs.wrong, executions=300, strategy=strategy, carrier=carrier)
    assert found.verdict is Verdict.VIOLATED, found.reason
    (finding,) = found.findings
    assert finding.kind is FindingKind.NOT_LINEARIZABLE
    assert finding.message.startswith("not linearizable as a counter: no order of the calls")
    assert finding.schedule is not None
    again = replay(programs.wrong, finding.schedule)
    assert [one.fingerprint for one in again.findings] == [finding.fingerprint]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("strategy", ["portfolio", "dpor"])
def test_its_twin_holds(carrier: str, strategy: str) -> None:
    found = explore(programs.locked, executions=150, strategy=strategy, carrier=carrier)
    assert found.verdict is Verdict.HOLDS, (found.reason, found.findings)


def test_time_is_real_in_an_execution() -> None:
    seen: list[tuple[Call, ...]] = []

    def program() -> None:
        seen.append(programs.count_with(programs.Locked()).calls)

    targets = [programs.__name__, __name__]
    found: Any = explore(
        program, executions=200, targets=targets, strategy="dfs", carrier=CARRIERS[0]
    )
    assert found.verdict is Verdict.HOLDS, found.reason
    assert all(len({c.began_ns for c in calls}) == 3 for calls in seen)
    # Both were seen: calls that overlap, and calls one after the other.
    overlapping = [
        any(a is not b and a.began_ns < b.began_ns < a.ended_ns for a in calls for b in calls)
        for calls in seen
    ]
    assert len(set(overlapping)) == 2
