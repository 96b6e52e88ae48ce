"""SURW: orders of interesting operations are equally likely, whatever else the tasks do.

Odds of a false alarm as in `test_samplers`.
"""

from __future__ import annotations

from math import comb

import pytest

from stress.conformance import check_strategy
from stress.exploration import explore
from stress.finding import Verdict
from stress.strategies.random_walk import RandomWalk
from stress.strategies.surw import SURW
from stress.strategy import Strategy
from tests.corpus.yardsticks import reorder
from tests.stress.strategies.simulation import Order, Step, Tasks, execute
from tests.stress.strategies.test_samplers import N, chain, margin

SHARED = Step("write", 5, "x")
#: After so many executions it knows what there is to know of these programs.
LEARNED = 64


def orders_of(strategy: Strategy, tasks: Tasks) -> list[tuple[int, ...]]:
    """Of the tasks at the shared place, in N executions."""

    def of(order: Order) -> tuple[int, ...]:
        return tuple(task for task, index in order if tasks[task][index] == SHARED)

    return [of(execute(strategy, number, tasks)) for number in range(LEARNED + N)][LEARNED:]


def assert_even(orders: list[tuple[int, ...]], count: int) -> None:
    assert len(set(orders)) == count
    for order in set(orders):
        assert abs(orders.count(order) / N - 1 / count) < margin(1 / count), order


def test_surw_is_right() -> None:
    check_strategy(SURW)


@pytest.mark.parametrize("lengths", [(3, 3), (1, 7), (2, 2, 1)])
def test_all_orders_are_as_likely(lengths: tuple[int, ...]) -> None:
    tasks = [[SHARED] * length for length in lengths]
    count, left = 1, sum(lengths)
    for length in lengths:
        count, left = count * comb(left, length), left - length
    assert_even(orders_of(SURW(1), tasks), count)


def test_a_random_walk_prefers_some_of_them() -> None:
    orders = orders_of(RandomWalk(1), [[SHARED] * 3] * 2)
    # The chance of the one task first is that of three equal draws.
    assert abs(orders.count((0, 0, 0, 1, 1, 1)) / N - 1 / 8) < margin(1 / 8)


def test_what_nobody_shares_does_not_count() -> None:
    """Thirty steps of its own before, and the order at the shared place is as open as without."""
    tasks = [[*chain(30, subject=6), SHARED, SHARED], [SHARED, SHARED]]
    assert_even(orders_of(SURW(2), tasks), 6)
    orders = orders_of(RandomWalk(2), tasks)
    assert orders.count((0, 0, 1, 1)) == 0


def test_each_shared_place_has_its_turn() -> None:
    """Of two places each is the interesting one in some executions, alone."""
    other = Step("write", 6, "y")
    tasks = [[SHARED, other] * 2, [other, SHARED] * 2]
    strategy = SURW(3)
    seen = set()
    for number in range(200):
        execute(strategy, number, tasks)
        seen.add(frozenset(site.name for site in strategy._interesting))
    assert seen - {frozenset()} == {frozenset({"x"}), frozenset({"y"})}


def test_what_only_readers_share_is_not_interesting() -> None:
    look = Step("read", 7, "z")
    strategy = SURW(4)
    for number in range(50):
        execute(strategy, number, [[look, look], [look, look]])
    assert not strategy._groups


def test_who_starts_tasks_has_their_operations_to_its_name() -> None:
    """Two tasks with three operations each have 20 orders, also where two others start them."""
    tasks = [[Step("start", 2)], [SHARED] * 3, [Step("start", 3)], [SHARED] * 3]
    assert_even(orders_of(SURW(5), tasks), 20)


def test_operations_that_were_never_seen_are_not_put_off_for_ever() -> None:
    """The second of task 1 comes as a surprise, in executions that are no profile runs."""
    strategy = SURW(6)
    for number in range(LEARNED):
        execute(strategy, number, [[SHARED, SHARED], [SHARED]])
    orders = {
        tuple(task for task, _ in execute(strategy, number, [[SHARED, SHARED], [SHARED, SHARED]]))
        for number in range(LEARNED + 1, 2 * LEARNED)
    }
    assert (0, 1, 1, 0) in orders


@pytest.mark.parametrize("seed", range(10))
def test_half_of_what_nine_setters_set(seed: int) -> None:
    """The chance is about one in thirty an execution: of 1,000 that all miss, below 1e-14."""
    exploration = explore(reorder(9), strategy="surw", seed=seed, executions=1_000)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    assert "note" not in exploration.findings[0].details


def test_under_a_lock_nothing_is_found() -> None:
    exploration = explore(reorder(3, locked=True), strategy="surw", executions=500)
    assert exploration.verdict is Verdict.HOLDS, exploration.findings
