"""The two-sided corpus: each racy program is found and replayed, and no race-free one is told."""

from __future__ import annotations

from typing import Any

import pytest

from stress import Verdict, explore, replay
from stress.detection import DETECTORS
from tests.corpus.races import RACE_FREE, RACES
from tests.corpus.races.race import Defect, Race, RaceFree

#: Not found yet. What belongs together lies in two calls here, each of which holds the lock, so
#: that nothing but the use of what the first one gives says so; in a loop; or around a wait.
MISSED = frozenset({
    "racy_prices", "racy_empty_then_get", "racy_withdrawal", "racy_transfer", "racy_start_and_end",
    "racy_snapshot_of_counters", "racy_published_too_early", "racy_old_room",
    "racy_kept_over_a_wait", "racy_one_barrier_for_two_phases", "racy_get_and_set",
    "racy_get_and_put",
})  # fmt: skip


def racy(race: Race) -> Any:
    marks = [pytest.mark.xfail(strict=True)] if race.program.__name__ in MISSED else []
    return pytest.param(race, marks=marks, id=str(race))


@pytest.mark.parametrize("race", [racy(race) for race in RACES])
def test_racy_is_found_and_replayed(race: Race) -> None:
    exploration = explore(
        race.program,
        detectors=tuple(DETECTORS),
        # What nothing orders fails where there is no lock of the interpreter.
        free_threaded=race.defect is Defect.UNORDERED,
        executions=150,
        stop_on_first=False,
        shrink=False,
    )
    found = [
        finding
        for finding in exploration.findings
        if finding.kind in (race.kind, race.also) and any(n in finding.message for n in race.names)
    ]
    assert found, [finding.message for finding in exploration.findings]
    again = replay(race.program, found[0])
    assert found[0].fingerprint in {finding.fingerprint for finding in again.findings}


@pytest.mark.parametrize("race_free", RACE_FREE, ids=str)
def test_race_free_is_not_told(race_free: RaceFree) -> None:
    exploration = explore(
        race_free.program,
        detectors=tuple(DETECTORS),
        free_threaded=not race_free.benign,
        executions=60,
        shrink=False,
    )
    assert exploration.verdict is Verdict.HOLDS, [f.message for f in exploration.findings]
