"""The corpus of races: both sides are there, and the programs do what they say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.exploration import Exploration, explore
from stress.finding import FindingKind, Verdict
from tests.corpus.races import RACE_FREE, RACES
from tests.corpus.races.race import Defect, Race, RaceFree

AT_LEAST = {
    Defect.LOST_UPDATE: 18,
    Defect.CHECK_THEN_ACT: 18,
    Defect.TORN_UPDATE: 12,
    Defect.UNORDERED: 8,
    Defect.STALE_VALUE: 4,
    Defect.LOCK_ORDER: 6,
}


def sixty(program: Callable[[], None]) -> Exploration:
    return explore(program, executions=60, strategy="random", seed=0, shrink=False)


def test_both_sides_are_there() -> None:
    assert len(RACES) >= 66
    assert len(RACE_FREE) >= 66
    assert any(entry.benign for entry in RACE_FREE)


def test_every_defect_is_there() -> None:
    counts = Counter(race.defect for race in RACES)
    assert {defect for defect, least in AT_LEAST.items() if counts[defect] < least} == set()


def test_names_carry_the_verdict_and_are_unique() -> None:
    assert all(race.program.__name__.startswith("racy_") for race in RACES)
    assert all(entry.program.__name__.startswith("race_free_") for entry in RACE_FREE)
    names = Counter(race.program.__name__ for race in RACES)
    names.update(entry.program.__name__ for entry in RACE_FREE)
    assert [name for name, count in names.items() if count > 1] == []


def test_every_race_has_a_twin_beside_it() -> None:
    twins = [race.twin for race in RACES]
    assert len(set(twins)) == len(twins)
    assert set(twins) <= {entry.program for entry in RACE_FREE if not entry.benign}
    assert [race for race in RACES if race.twin.__module__ != race.program.__module__] == []


def test_only_one_family_is_benign() -> None:
    families = {entry.program.__module__ for entry in RACE_FREE if entry.benign}
    assert families == {"tests.corpus.races.benign"}


def test_names_of_places_are_names() -> None:
    assert all(name.isidentifier() for race in RACES for name in race.names)


@pytest.mark.parametrize("entry", RACE_FREE, ids=str)
def test_a_race_free_program_holds(entry: RaceFree) -> None:
    exploration = sixty(entry.program)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)


@pytest.mark.parametrize("race", RACES, ids=str)
def test_a_racy_program_does_not_say_so_itself(race: Race) -> None:
    exploration = sixty(race.program)
    if race.defect is Defect.LOCK_ORDER:
        assert {finding.kind for finding in exploration.findings} <= {FindingKind.DEADLOCK}
        assert exploration.verdict is not Verdict.UNKNOWN, exploration.reason
    else:
        assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
