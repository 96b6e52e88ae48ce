"""Detectors look on at real threads: what they tell, what they do not, and that all is put back."""

from __future__ import annotations

import queue
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import thread as pools

import pytest

pytest.importorskip("bytecode", reason="the extra `explore` is not installed")

from stress.finding import FindingKind, Violation
from stress.observe.judged import observed, violations_in
from stress.observe.log import ENTRIES_MAX, SHARES
from stress.observe.observing import observing
from tests.corpus.races import RACE_FREE, RACES
from tests.corpus.races.race import Defect, Race, RaceFree
from tests.stress.observe import programs

ALL = ("races", "atomicity", "leaks")
#: With this seed every object is sampled.
EVERY_OBJECT = 0
#: Nothing orders their accesses, whatever the threads do, and what they touch has a name.
NEVER_ORDERED = frozenset({
    "racy_visits", "racy_global", "racy_nonlocal", "racy_class_attribute", "racy_closure",
    "racy_slot", "racy_dataclass_field", "racy_thread_subclass", "racy_two_fields",
    "racy_one_side_of_two_fields", "racy_value_and_its_time", "racy_swap", "racy_sent_while_open",
    "racy_started_when_new", "racy_permits", "racy_once_flag", "racy_first_answer",
    "racy_lazy_connection", "racy_plain_flag", "racy_property", "racy_average", "racy_maximum",
    "racy_toggle", "racy_two_locks_for_one_balance", "racy_lock_per_instance",
    "racy_lock_per_call",
})  # fmt: skip


@pytest.fixture(autouse=True)
def threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def told(
    program: Callable[[], None], *, seed: int = EVERY_OBJECT, free_threaded: bool = True
) -> list[Violation]:
    module = program.__module__
    with observed((module,), program, ALL, seed=seed, free_threaded=free_threaded) as result:
        program()
    return result.violations


@pytest.mark.parametrize("program", programs.ORDERED)
def test_what_is_handed_over_is_no_race(program: Callable[[], None]) -> None:
    assert told(program) == []


@pytest.mark.parametrize("program", programs.NOT_ORDERED)
def test_what_nothing_orders_is_a_race(program: Callable[[], None]) -> None:
    (race,) = told(program)
    assert race.kind is FindingKind.DATA_RACE
    assert race.oracle == "detector races"
    assert race.message.startswith("data race on value: task ")
    file = "tests/stress/observe/programs.py"
    assert race.place == f"value in {file}:fill + {file}:look"
    assert race.details["grade"] == "unordered"
    assert {line.partition(" in ")[2].partition(" (")[0] for line in race.details["accesses"]} == {
        "Box.fill",
        "Box.look",
    }
    assert told(program, free_threaded=False) == []


@pytest.mark.parametrize("race", [r for r in RACES if r.program.__name__ in NEVER_ORDERED], ids=str)
def test_racy(race: Race) -> None:
    found = told(race.program)
    assert {one.kind for one in found} & {FindingKind.DATA_RACE, FindingKind.ATOMICITY}
    assert any(name in one.place for one in found for name in race.names), found


def test_all_of_those_are_looked_at() -> None:
    assert {r.program.__name__ for r in RACES} >= NEVER_ORDERED
    assert sum(r.defect is Defect.LOST_UPDATE for r in RACES) >= 18


@pytest.mark.parametrize("entry", RACE_FREE, ids=str)
def test_race_free(entry: RaceFree) -> None:
    assert told(entry.program, free_threaded=not entry.benign) == []


def test_a_lock_from_before_is_seen() -> None:
    for _ in range(2):
        assert told(programs.by_a_lock_from_before) == []
    assert type(programs.HELD) is type(threading.Lock())
    assert not programs.HELD.locked()


def test_leaks_of_real_threads() -> None:
    (lost,) = told(programs.lost_exception)
    assert lost.message.startswith("lost exception: task 1 gives ValueError: invalid literal")
    (kept,) = told(programs.lock_that_is_kept)
    assert kept.kind is FindingKind.LEAK
    assert "has ended without giving it back" in kept.message


def test_of_some_objects_all_is_sampled() -> None:
    """Of all objects at first, then of a share of them, and of another share with another seed."""
    whole = {}
    for seed in range(len(SHARES)):
        with observing((programs.__name__,), programs.many_boxes, seed) as log:
            programs.many_boxes()
        taken = Counter(step.subject for step in log.close()[0] if step.site.name == "value")
        assert len(taken) == 64
        # A read and a write in each of 32 rounds of two threads.
        assert max(taken.values()) <= 128
        whole[SHARES[seed]] = sum(count == 128 for count in taken.values())
    assert whole[1] == 64
    assert 0 < whole[2] < 64
    assert whole[16] < 64


def test_no_more_is_kept_than_there_is_room_for() -> None:
    with observing((programs.__name__,), programs.many_rounds, EVERY_OBJECT) as log:
        programs.many_rounds()
    assert not log.has_ended
    assert list(violations_in(log, ALL, programs.__name__, free_threaded=True)) == []
    assert len(log.close()[0]) <= ENTRIES_MAX


def test_without_detectors_nothing_is_looked_at() -> None:
    before = programs.Box.fill.__code__
    with observed((programs.__name__,), None, (), seed=0) as result:
        assert programs.Box.fill.__code__ is before
    assert result.violations == []


def test_everything_is_put_back() -> None:
    def standing() -> list[object]:
        thread = threading.Thread
        return [
            threading.Lock, threading.RLock, threading.Condition.wait, queue.SimpleQueue,
            pools.queue.SimpleQueue, thread.start, thread.join, thread.is_alive,
            vars(thread)["_bootstrap_inner"], programs.HELD, programs.Box.fill.__code__,
            random._inst, programs.BOX.lock,
        ]  # fmt: skip

    before = standing()
    with observed((programs.__name__,), programs.by_pool, ALL, seed=0):
        assert threading.Lock is not before[0]
        assert not all(one is other for one, other in zip(standing(), before, strict=True))
        programs.by_pool()
    assert all(one is other for one, other in zip(standing(), before, strict=True))
