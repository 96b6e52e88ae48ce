"""The portfolio is as good as the best figure of the field on each yardstick, and claims no more
than its members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

import pytest

from stress import check_threads
from stress.conformance import check_strategy
from stress.exploration import explore
from stress.finding import Verdict
from stress.strategies.dfs import DFS
from stress.strategies.portfolio import MEMBERS, OPENING, SECOND_LOOK, Portfolio
from stress.strategies.random_walk import RandomWalk
from stress.strategy import Pending
from tests.corpus import yardsticks
from tests.corpus.yardsticks import reorder, twostage
from tests.stress.strategies.simulation import Step, execute
from tests.stress.strategies.test_dpor import Counter, increments

SEEDS = range(5)


def test_it_is_right() -> None:
    check_strategy(Portfolio)


#: By name, the best published figure: the mean number of schedules to the first bug.
YARDSTICKS: dict[str, tuple[Callable[[], None], float]] = {
    "reorder_3": (reorder(2), 7),
    "reorder_10": (reorder(9), 6),
    "twostage": (twostage(1), 8),
    "stringbuffer": (yardsticks.string_buffer, 8),
    "bluetooth_driver": (yardsticks.bluetooth_driver, 36),
    "wronglock": (yardsticks.wrong_lock, 1),
    "stack": (yardsticks.stack_that_says_it_has_items, 2),
    "work_stealing_queue": (yardsticks.work_queue_off_by_one, 6),
}


@pytest.mark.parametrize("name", YARDSTICKS)
def test_it_is_as_good_as_the_best(name: str) -> None:
    program, published = YARDSTICKS[name]
    needed = [schedules_to_first(program, seed) for seed in SEEDS]
    assert mean(needed) <= 1.5 * published, needed


@pytest.mark.parametrize(
    ("program", "most"), [(reorder(99), 10), (twostage(99), 60)], ids=["reorder", "twostage"]
)
def test_with_a_hundred_threads(program: Callable[[], None], most: int) -> None:
    pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")
    assert schedules_to_first(program, 0) <= most


def schedules_to_first(program: Callable[[], None], seed: int) -> int:
    exploration = explore(
        program,
        strategy="portfolio",
        executions=200,
        seed=seed,
        targets=[yardsticks.__name__],
    )
    assert exploration.verdict is Verdict.VIOLATED
    return exploration.statistics.executions


def test_every_member_has_its_share() -> None:
    strategy = Portfolio(1)
    tasks = [[Step("read", 1, "x"), Step("write", 1, "x")] * 4] * 3
    for number in range(400):
        execute(strategy, number, tasks)
    shares = strategy.shares
    assert sum(shares.values()) == 400
    assert set(shares) == set(MEMBERS)
    assert all(share >= 400 / 40 for share in shares.values()), shares
    assert strategy.sampled == sum(shares[name] for name in ("random", "pct", "pos", "surw"))
    assert not strategy.complete


class InOrder:
    """Always the same."""

    def __init__(self, seed: int) -> None:
        pass

    def begin(self, execution: int) -> bool:
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        return ready[0]


def test_who_shows_something_new_gets_more() -> None:
    strategy = Portfolio(1, {"random": RandomWalk, "in order": InOrder})
    tasks = [[Step("read", 1, "x"), Step("write", 1, "x")] * 6] * 3
    for number in range(300):
        execute(strategy, number, tasks)
    assert strategy.shares["random"] > 3 * strategy.shares["in order"] > 0


def test_where_dpor_ends_it_takes_a_second_look_and_ends() -> None:
    strategy = Portfolio(0)
    exploration = check_threads(
        Counter,
        [increments(1, locked=True)] * 2,
        lambda counter: counter.value == 2,
        strategy=strategy,
        executions=5000,
    )
    assert exploration.verdict is Verdict.HOLDS
    assert exploration.reason == "all interleavings were executed"
    assert exploration.statistics.residual_risk == 0.0
    assert SECOND_LOOK < exploration.statistics.executions < len(OPENING) + SECOND_LOOK + 10


def test_with_too_few_executions_nothing_is_claimed() -> None:
    exploration = check_threads(
        Counter,
        [increments(3, locked=True)] * 3,
        lambda counter: counter.value == 9,
        strategy="portfolio",
        executions=300,
    )
    assert exploration.verdict is Verdict.HOLDS
    assert exploration.reason == "all 300 executions are done"
    assert not exploration.statistics.complete
    # Of these, those that are drawn at random say something of others.
    assert 30 < exploration.statistics.clean_executions < 300


def test_before_the_second_look_is_over_nothing_is_claimed() -> None:
    exploration = check_threads(
        Counter,
        [increments(1, locked=True)] * 2,
        lambda counter: counter.value == 2,
        strategy="portfolio",
        executions=SECOND_LOOK // 2,
    )
    assert exploration.verdict is Verdict.HOLDS
    assert exploration.reason == f"all {SECOND_LOOK // 2} executions are done"
    assert not exploration.statistics.complete


def test_where_all_members_have_ended_it_ends() -> None:
    strategy = Portfolio(1, {"dfs": DFS})
    tasks = [[Step("write", 1, "x")]] * 2
    for number in range(2):
        execute(strategy, number, tasks)
    assert not strategy.begin(2)
