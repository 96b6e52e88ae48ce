"""The two-sided corpus: each racy program is found and replayed, and no race-free one is told."""

from __future__ import annotations

import pytest

from stress import FindingKind, Verdict, explore, replay
from stress.detect.catalogue import DETECTORS
from tests.corpus import CASES
from tests.corpus.case import Case
from tests.corpus.races import RACE_FREE, RACES
from tests.corpus.races.race import Defect, Race, RaceFree

#: Lost and torn updates, check-then-act, stale values and locks in wrong orders among the programs
#: that fail by an exception or a deadlock. The detectors are to find these by themselves.
OF_THE_OTHER_CORPUS = frozenset({
    "caches.filled_twice", "caches.evicted_twice", "collections_.removed_while_summed",
    "collections_.counted_in_a_defaultdict", "collections_.removed_after_a_look",
    "collections_.archived_twice", "iterators.shared_iterator", "orders.three_in_a_ring",
    "orders.philosophers", "orders.transfers_that_cross", "orders.transfers_without_locks",
    "output.redirected_by_threads", "permits.used_without_a_permit",
    "permits.barrier_for_one_too_many", "permits.never_opened", "pools.answered_twice",
    "pools.counted_by_workers", "queues.emptied_by_another", "readers.readers_counted_without",
    "sctbench.account", "sctbench.circular_buffer", "sctbench.guests_counted_under_one_lock",
    "sctbench.counted_after_it_was_put", "sctbench.token_ring", "singletons.two_singletons",
    "singletons.checked_twice_wrongly", "singletons.started_twice", "torn.torn_point",
    "torn.same_id_twice", "torn.counted_in_the_class", "torn.a_lock_for_each_call",
    "yardsticks.reorder_of_two_setters", "yardsticks.twostage_of_one_writer",
    "yardsticks.string_buffer", "yardsticks.bluetooth_driver", "yardsticks.wrong_lock",
    "yardsticks.work_queue_off_by_one",
})  # fmt: skip
DETECTED = frozenset({FindingKind.DATA_RACE, FindingKind.ATOMICITY, FindingKind.LOCK_ORDER})


@pytest.mark.parametrize("race", RACES, ids=str)
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


@pytest.mark.parametrize(
    "case", [case for case in CASES if str(case) in OF_THE_OTHER_CORPUS], ids=str
)
def test_what_fails_is_found_without_the_failure(case: Case) -> None:
    exploration = explore(
        case.program,
        detectors=tuple(DETECTORS),
        executions=300,
        step_limit=3_000,
        stop_on_first=False,
        shrink=False,
    )
    assert DETECTED & {finding.kind for finding in exploration.findings}


@pytest.mark.parametrize("case", [case for case in CASES if case.kind is None], ids=str)
def test_a_repaired_twin_is_not_told(case: Case) -> None:
    exploration = explore(
        case.program, detectors=tuple(DETECTORS), executions=60, step_limit=3_000, shrink=False
    )
    assert exploration.verdict is not Verdict.VIOLATED, [f.message for f in exploration.findings]


def test_the_other_corpus_has_them() -> None:
    assert {str(case) for case in CASES if case.kind is not None} >= OF_THE_OTHER_CORPUS
