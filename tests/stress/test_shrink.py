"""Shrinking: each pass alone, on schedules without a program; then findings of the whole corpus."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

from stress.errors import InvalidArgument, ScheduleDiverged
from stress.events import Anchor
from stress.exploration import explore, replay
from stress.finding import Finding, FindingKind
from stress.reduction import (
    Shrinking,
    drop_preemptions,
    drop_switches,
    pass_over,
    search_below,
    shrink_schedule,
    size,
)
from stress.schedule import Schedule, Switch
from stress.shrinking import shrink
from tests.corpus import CASES
from tests.corpus.case import Case
from tests.stress.engine import programs
from tests.stress.engine.carriers import CARRIERS


def switch(number: int, *, preempted: bool = True) -> Switch:
    at = Anchor("write", "x", "work", number) if preempted else None
    return Switch(task=1, at=at, to=2, ready=(1, 2))


def schedule(*numbers: int, forced: tuple[int, ...] = ()) -> Schedule:
    return Schedule(0, tuple(switch(n, preempted=n not in forced) for n in numbers))


def needing(*numbers: int) -> Callable[[Schedule], Schedule | None]:
    """The defect is there where all of these switches are."""

    def attempt(tried: Schedule) -> Schedule | None:
        there = {s.at.occurrence for s in tried.switches if s.at is not None}
        return tried if there >= set(numbers) else None

    return attempt


def no_search(below: int, limit: int) -> tuple[None, int]:
    return None, 0


def test_what_a_size_is() -> None:
    assert size(schedule(1, 2, 3, forced=(2,))) == (2, 3)
    assert size(schedule()) == (0, 0)


@pytest.mark.parametrize("needed", [(), (5,), (0, 9), (3, 4, 5), tuple(range(10))])
def test_preemptions_are_dropped_down_to_those_that_are_needed(needed: tuple[int, ...]) -> None:
    state = Shrinking(schedule(*range(10)), needing(*needed), 1000)
    assert drop_preemptions(state) is (len(needed) < 10)
    assert state.best == schedule(*needed)
    before = state.executions
    assert drop_preemptions(state) is False
    assert state.executions - before <= len(needed) * 4


def test_who_only_hands_the_turn_on_is_passed_over() -> None:
    """From task to task, to the one that matters: no switch of the chain can be left out."""
    chain = Schedule(
        0,
        tuple(
            Switch(task=n, at=Anchor("write", "x", f"work-{n}", 1), to=n + 1, ready=())
            for n in range(64)
        ),
    )

    def attempt(tried: Schedule) -> Schedule | None:
        current = 0
        for one in tried.switches:
            if one.task != current:
                return None
            current = one.to
        return tried if current == 64 else None

    state = Shrinking(chain, attempt, 1000)
    assert drop_preemptions(state) is False
    before = state.executions
    assert pass_over(state) is True
    assert [(one.task, one.to) for one in state.best.switches] == [(0, 64)]
    assert state.executions - before <= 12
    smallest, count = shrink_schedule(chain, attempt, no_search, 100)
    assert smallest == state.best
    assert count < 50


def test_one_that_matters_among_many_is_found_in_few_executions() -> None:
    state = Shrinking(schedule(*range(200)), needing(77), 1000)
    assert drop_preemptions(state) is True
    assert state.best == schedule(77)
    assert state.executions <= 20


def test_forced_switches_are_dropped_too() -> None:
    state = Shrinking(schedule(1, 2, 3, forced=(1, 3)), needing(2), 1000)
    assert drop_preemptions(state) is False
    assert drop_switches(state) is True
    assert state.best == schedule(2)


def test_what_comes_about_counts_and_not_what_was_tried() -> None:
    """An execution may come out with other switches than those that it was given."""

    def attempt(tried: Schedule) -> Schedule | None:
        return schedule(1, 2, 3, 4) if len(tried.switches) < 3 else None

    state = Shrinking(schedule(1, 2, 3), attempt, 1000)
    assert drop_preemptions(state) is False
    assert state.best == schedule(1, 2, 3)


def test_a_search_below_takes_what_is_smaller() -> None:
    asked = []

    def search(below: int, limit: int) -> tuple[Schedule | None, int]:
        asked.append((below, limit))
        return schedule(1), 7

    state = Shrinking(schedule(1, 2, 3), needing(1), 100)
    assert search_below(state, search, 25) is True
    assert (state.best, state.executions, asked) == (schedule(1), 7, [(3, 25)])
    assert search_below(state, search, 0) is False
    assert search_below(state, search, 30) is False
    assert asked == [(3, 25), (1, 30)]


def test_what_is_left_is_searched_when_nothing_can_be_left_out() -> None:
    """First a quarter of what may be executed, and in the end the rest."""
    asked = []

    def search(below: int, limit: int) -> tuple[Schedule | None, int]:
        asked.append((below, limit))
        return (schedule(8), 60) if len(asked) == 2 else (None, limit)

    smallest, _ = shrink_schedule(schedule(1, 2, 3), needing_any(schedule(8)), search, 100)
    assert smallest == schedule(8)
    assert asked[0] == (3, 25)
    assert asked[1][0] == 3
    assert 25 + asked[1][1] <= 100


def needing_any(other: Schedule) -> Callable[[Schedule], Schedule | None]:
    """The defect needs all three switches, or it comes about in quite another way."""
    by_three = needing(1, 2, 3)
    return lambda tried: tried if tried == other else by_three(tried)


def test_without_a_preemption_nothing_is_below() -> None:
    state = Shrinking(schedule(1, forced=(1,)), needing(), 100)
    assert search_below(state, no_search, 50) is False


def test_no_more_executions_than_asked_for() -> None:
    made = []

    def attempt(tried: Schedule) -> Schedule | None:
        made.append(tried)
        return None

    smallest, count = shrink_schedule(schedule(*range(50)), attempt, no_search, 20)
    assert smallest == schedule(*range(50))
    assert len(made) == count == 20


@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
@settings(max_examples=100, deadline=None)
def test_shrinking_again_changes_nothing(needed: set[int], forced: set[int]) -> None:
    attempt = needing(*(needed - forced))
    first, _ = shrink_schedule(
        schedule(*range(20), forced=tuple(forced)), attempt, no_search, 10_000
    )
    again, _ = shrink_schedule(first, attempt, no_search, 10_000)
    assert first == again == schedule(*sorted(needed - forced))


# -- findings -------------------------------------------------------------------------------------

#: Each wrong program, and the fewest preemptions that show what is wrong, where that is declared.
WRONG: list[tuple[Callable[[], None], int | None]] = [
    *((program, None) for program in programs.WRONG),
    *((case.program, case.preemptions) for case in CASES if case.kind is not None),
]


def first_finding(program: Callable[[], None], carrier: str = "auto") -> Finding:
    exploration = explore(program, executions=3_000, carrier=carrier)
    assert exploration.findings, exploration.reason
    return exploration.findings[0]


@pytest.mark.parametrize(("program", "declared"), WRONG, ids=[p.__name__ for p, _ in WRONG])
def test_every_finding_of_the_corpus(program: Callable[[], None], declared: int | None) -> None:
    finding = first_finding(program)
    shrunk = shrink(program, finding)
    assert (shrunk.id, shrunk.kind, shrunk.place) == (finding.id, finding.kind, finding.place)
    assert shrunk.schedule is not None
    assert finding.schedule is not None
    assert size(shrunk.schedule) <= size(finding.schedule)
    # Of all these programs the defect takes two preemptions at most.
    assert shrunk.schedule.preemptions <= (2 if declared is None else declared)
    assert shrunk.details["shrunk"]["executions"] <= 1000
    again = replay(program, shrunk)
    assert shrunk.place in [found.place for found in again.findings]
    assert shrink(program, shrunk).schedule == shrunk.schedule


@pytest.mark.parametrize("case", [case for case in CASES if case.kind is not None], ids=str)
def test_fewer_preemptions_than_declared_do_not_show_it(case: Case) -> None:
    pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")
    # All schedules with none are tried before those with one, and so on.
    exploration = explore(case.program, strategy="dfs", executions=6_000, shrink=False)
    assert exploration.findings, exploration.reason
    found = exploration.findings[0]
    assert found.schedule is not None
    assert (found.kind, found.schedule.preemptions) in {
        (case.kind, case.preemptions),
        # What else may come of the same defect has no number of its own.
        (case.also, found.schedule.preemptions),
    }


@pytest.mark.parametrize("carrier", CARRIERS)
def test_both_carriers_shrink_to_the_same(carrier: str) -> None:
    finding = first_finding(programs.check_then_act, carrier)
    shrunk = shrink(programs.check_then_act, finding, carrier=carrier)
    assert shrunk.schedule == shrink(programs.check_then_act, finding).schedule


def test_what_was_repaired_is_not_shrunk() -> None:
    def program() -> None:
        box = [0]

        def work() -> None:
            if broken:
                box[0] += 1
            else:
                with lock:
                    box[0] += 1

        lock = threading.Lock()
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box == [2]

    broken = [True]
    finding = first_finding(program)
    broken.clear()
    with pytest.raises(ScheduleDiverged, match=r"does not show .* any more"):
        shrink(program, finding)


def test_a_finding_of_parallel_execution_has_nothing_to_shrink() -> None:
    finding = Finding(kind=FindingKind.CRASH, message="SIGSEGV", fingerprint="0" * 64)
    with pytest.raises(InvalidArgument, match="has no schedule to shrink"):
        shrink(lambda: None, finding)


def test_wrong_options() -> None:
    finding = first_finding(programs.lost_update)
    with pytest.raises(InvalidArgument, match="executions is 0"):
        shrink(programs.lost_update, finding, executions=0)
