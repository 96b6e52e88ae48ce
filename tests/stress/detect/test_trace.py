"""The happens-before order: by vector clocks as by its definition, and the same in every order of
steps that do not depend on each other."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stress.detect.races import data_races
from stress.detect.trace import Trace, is_of_model
from stress.site import Site
from stress.steps import Step
from tests.stress.detect.steps import (
    ACQUIRE,
    READ,
    RELEASE,
    SET,
    WAIT,
    WRITE,
    Machine,
    Program,
    executed,
    orders,
    programs,
    step,
)


def by_definition(steps: list[Step]) -> set[tuple[int, int]]:
    """All pairs of steps that are ordered: the closure of what orders two of them directly."""
    ordered: set[tuple[int, int]] = set()
    for second, later in enumerate(steps):
        for first in range(second):
            if directly(steps[first], later):
                ordered.add((first, second))
                ordered |= {(before, second) for before, after in ordered if after == first}
    return ordered


def directly(first: Step, second: Step) -> bool:
    if first.task == second.task:
        return True
    if not (is_of_model(first) and is_of_model(second)) or first.subject != second.subject:
        return False
    return (first.site.kind, second.site.kind) in {(RELEASE, ACQUIRE), (SET, WAIT)}


def depend(first: Step, second: Step) -> bool:
    """Whether it matters which of two steps in a row comes first."""
    if first.task == second.task:
        return True
    if first.subject != second.subject:
        return False
    return is_of_model(first) or WRITE in (first.site.kind, second.site.kind)


@given(programs, orders)
@settings(max_examples=200, deadline=None)
def test_clocks_say_what_the_definition_says(program: Program, order: list[int]) -> None:
    machine = executed(program, order)
    trace = Trace(machine.steps)
    places = range(len(machine.steps))
    found = {(a, b) for b in places for a in places if a < b and trace.ordered(a, b)}
    assert found == by_definition(machine.steps)


def races_by_name(machine: Machine) -> set[frozenset[tuple[int, int]]]:
    return {
        frozenset(machine.names[number] for number in race.steps)
        for race in data_races(Trace(machine.steps))
    }


@given(programs, orders, st.lists(st.integers(0, 60), max_size=12))
@settings(max_examples=300, deadline=None)
def test_races_do_not_depend_on_the_order_of_independent_steps(
    program: Program, order: list[int], swaps: list[int]
) -> None:
    machine = executed(program, order)
    other = executed(program, order)
    swapped = 0
    for swap in swaps:
        place = swap % max(len(other.steps) - 1, 1)
        pair = other.steps[place : place + 2]
        if len(pair) == 2 and not depend(*pair):
            swapped += 1
            for sequence in (other.steps, other.names):
                sequence[place], sequence[place + 1] = sequence[place + 1], sequence[place]
    assume(swapped)
    ordered = {(machine.names[a], machine.names[b]) for a, b in by_definition(machine.steps)}
    assert ordered == {(other.names[a], other.names[b]) for a, b in by_definition(other.steps)}
    assert races_by_name(machine) == races_by_name(other)


def test_a_race_is_a_pair_that_nothing_orders() -> None:
    unlocked = [step(0, WRITE, "x"), step(1, WRITE, "x")]
    assert [race.steps for race in data_races(Trace(unlocked))] == [(0, 1)]
    locked = [
        step(0, ACQUIRE, "l"), step(0, WRITE, "x", 1), step(0, RELEASE, "l", 2),
        step(1, ACQUIRE, "l"), step(1, WRITE, "x", 1), step(1, RELEASE, "l", 2),
    ]  # fmt: skip
    assert not data_races(Trace(locked))
    of_two_locks = [*locked[:3], *(one._replace(subject=9) for one in locked[3:])]
    of_two_locks[4] = locked[4]
    assert [race.steps for race in data_races(Trace(of_two_locks))] == [(1, 4)]
    only_read = [step(0, READ, "x"), step(1, READ, "x")]
    assert not data_races(Trace(only_read))


def test_a_thread_comes_after_what_was_before_it_and_before_who_joins_it() -> None:
    begun = [
        step(0, WRITE, "x", born=1),
        step(1, WRITE, "x", born=2),
        step(0, WRITE, "y", 1, born=2),
        step(0, WRITE, "x", 2, born=2),
    ]
    assert [race.steps for race in data_races(Trace(begun))] == [(1, 3)]
    join = begun[2]._replace(site=Site("join", "Thread", "", "", "", 0, 0), joins=(1,))
    assert not data_races(Trace([*begun[:3], join, begun[3]]))


def test_which_locks_are_held() -> None:
    steps = [
        step(0, ACQUIRE, "l"), step(0, ACQUIRE, "m", 1), step(0, WRITE, "x", 2),
        step(0, RELEASE, "l", 3), step(0, WRITE, "y", 4), step(0, RELEASE, "m", 5),
        step(0, WRITE, "z", 6),
    ]  # fmt: skip
    held = [[one.step for one in locks] for locks in Trace(steps).held]
    assert held == [[], [0], [0, 1], [1], [1], [], []]


def test_who_tries_a_lock_in_vain_does_not_have_it() -> None:
    tries = step(1, ACQUIRE, "l")._replace(waits=False)
    steps = [step(0, ACQUIRE, "l"), tries, step(1, WRITE, "x", 1), step(0, RELEASE, "l", 1)]
    assert [len(locks) for locks in Trace(steps).held] == [0, 0, 0, 0]
