"""PCT and POS: what their papers promise, seen in numbers; and bugs that a random walk misses.

Where a share is compared, the odds of a false alarm are below one in a million: of N executions
that each succeed with chance p, the share is below p by more than 5 * sqrt(p * (1 - p) / N) with a
chance of less than 3e-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from stress.conflicts import Effect, conflict
from stress.conformance import check_strategy
from stress.exploration import explore
from stress.finding import Verdict
from stress.strategies.draws import Draws
from stress.strategies.pct import PCT
from stress.strategies.pos import POS
from stress.strategies.random_walk import RandomWalk
from stress.strategy import Strategy
from tests.corpus.yardsticks import reorder
from tests.stress.strategies.simulation import Order, Step, Tasks, execute, share

N = 6_000


def margin(chance: float, executions: int = N) -> float:
    return 5 * math.sqrt(chance * (1 - chance) / executions)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_pct_is_right(depth: int) -> None:
    check_strategy(lambda seed: PCT(seed, depth))


def test_pos_is_right() -> None:
    check_strategy(POS)


def test_draws_are_even_and_the_same_again() -> None:
    draws = Draws(3)
    draws.begin(7)
    drawn = [draws.below(5) for _ in range(5 * N)]
    draws.begin(7)
    assert [draws.below(5) for _ in range(5 * N)] == drawn
    for number in range(5):
        assert abs(drawn.count(number) - N) < 5 * math.sqrt(N)
    draws.begin(8)
    assert [draws.below(5) for _ in range(50)] != drawn[:50]
    fractions = [draws.fraction() for _ in range(N)]
    assert 0 <= min(fractions) < 0.01
    assert 0.99 < max(fractions) < 1


def chain(length: int, subject: int = 0) -> list[Step]:
    return [Step("write", subject, "x")] * length


def before(one: tuple[int, int], other: tuple[int, int]) -> Callable[[Order], bool]:
    return lambda order: order.index(one) < order.index(other)


def test_pct_of_depth_one_is_a_matter_of_the_first_priorities() -> None:
    """Bug: the last step of task 0 before the first of task 1."""
    tasks = [chain(20), chain(20)]
    found = share(PCT(1, 1), tasks, before((0, 19), (1, 0)), N)
    assert found > 1 / 2 - margin(1 / 2)
    assert share(RandomWalk(1), tasks, before((0, 19), (1, 0)), N) < 0.01


@pytest.mark.parametrize("tasks", [2, 3])
def test_pct_of_depth_two(tasks: int) -> None:
    """Bug: task 1 from its first to its last step between two neighbouring steps of task 0."""
    steps, at = 10, 4
    program: Tasks = [chain(steps) for _ in range(tasks)]

    def happens(order: Order) -> bool:
        return before((0, at), (1, 0))(order) and before((1, steps - 1), (0, at + 1))(order)

    bound = 1 / (tasks * tasks * steps)
    found = share(PCT(2, 2), program, happens, N)
    assert found > bound - margin(bound)
    assert share(RandomWalk(2), program, happens, N) < bound / 4
    assert share(PCT(2, 1), program, happens, N) == 0


def test_pct_measures_how_long_executions_are() -> None:
    strategy = PCT(0, 3)
    switches = []
    for number in range(40):
        order = execute(strategy, number, [chain(30), chain(30)])
        tasks = [task for task, _ in order]
        switches.append(sum(one != other for one, other in pairwise(tasks)))
    # Nothing is known before the first; later, change points fall within.
    assert switches[0] == 1
    assert max(switches) == 3


def test_pos_gives_all_orders_of_conflicting_operations_their_chance() -> None:
    """Three tasks with one conflicting operation each: six orders, each as likely."""
    tasks = [[Step("write", 5, "x")] for _ in range(3)]
    orders = [tuple(task for task, _ in execute(POS(4), n, tasks)) for n in range(N)]
    assert len(set(orders)) == 6
    for order in set(orders):
        assert abs(orders.count(order) / N - 1 / 6) < margin(1 / 6)


def test_pos_does_not_care_about_what_conflicts_with_nothing() -> None:
    """Readers of one place keep their priorities; a writer of it makes them draw anew."""
    reads, writes = Step("read", 5, "x"), Step("write", 5, "x")
    # A reader that came second keeps the low priority that made it so.
    last = share(POS(5), [[reads, reads], [reads]], before((0, 1), (1, 0)), N)
    assert abs(last - 1 / 3) < margin(1 / 3)
    first = share(POS(5), [[writes, writes], [writes]], before((1, 0), (0, 0)), N)
    assert abs(first - 1 / 2) < margin(1 / 2)
    # After the first write both draw anew: that of task 1 comes last with a chance of 1/4.
    last = share(POS(5), [[writes, writes], [writes]], before((0, 1), (1, 0)), N)
    assert abs(last - 1 / 4) < margin(1 / 4)
    # Without a conflict it keeps the low priority that made it second: 1/3.
    alone = [[Step("write", 6, "x")] * 2, [writes]]
    last = share(POS(5), alone, before((0, 1), (1, 0)), N)
    assert abs(last - 1 / 3) < margin(1 / 3)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Effect(1, "x", True), Effect(1, "x", True), False),
        (Effect(1, "x", False), Effect(1, "x", True), True),
        (Effect(1, "x", False), Effect(1, "y", False), False),
        (Effect(1, "x", False), Effect(2, "x", False), False),
        (Effect(1, "", False), Effect(1, "x", True), True),
        (Effect(0, "x", False), Effect(0, "x", False), False),
    ],
)
def test_conflicts(one: Effect, other: Effect, expected: bool) -> None:
    assert conflict(one, other) is expected
    assert conflict(other, one) is expected


@pytest.mark.parametrize("strategy", [PCT, POS], ids=["pct", "pos"])
@pytest.mark.parametrize("seed", range(5))
def test_half_of_what_two_setters_set(strategy: Callable[[int], Strategy], seed: int) -> None:
    exploration = explore(reorder(2), strategy=strategy(seed), executions=1_000)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    assert "note" not in exploration.findings[0].details


def test_pct_finds_what_a_random_walk_does_not() -> None:
    """Nine setters: the checker must begin after one write, before all others."""
    assert explore(reorder(9), strategy="pct", executions=10_000).verdict is Verdict.VIOLATED
    assert explore(reorder(9), strategy="random", executions=1_000).verdict is Verdict.HOLDS


@pytest.mark.parametrize("strategy", ["pct", "pos"])
def test_under_a_lock_nothing_is_found(strategy: str) -> None:
    exploration = explore(reorder(3, locked=True), strategy=strategy, executions=500)
    assert exploration.verdict is Verdict.HOLDS, exploration.findings
