"""Coverage: what executions have shown is counted right, and where nothing new comes it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stress.conformance import check_strategy
from stress.errors import InvalidArgument
from stress.exploration import explore
from stress.finding import Verdict
from stress.statistics import Coverage
from stress.strategies.dfs import DFS
from stress.strategies.observed import Observed
from stress.strategies.pct import PCT
from stress.strategies.random_walk import RandomWalk
from tests.corpus.case import together
from tests.stress.engine import programs


def locked(increments: int) -> Callable[[], None]:
    def program() -> None:
        lock, box = threading.Lock(), [0]

        def work() -> None:
            for _ in range(increments):
                with lock:
                    box[0] += 1

        together(work, work)

    return program


def covered(program: Callable[[], None], strategy: object, **options: object) -> Coverage:
    found = explore(program, strategy=strategy, **options).statistics.coverage  # type: ignore[arg-type]
    assert found is not None
    return found


def test_it_is_right() -> None:
    check_strategy(lambda seed: Observed(RandomWalk(seed)))
    check_strategy(lambda seed: Observed(DFS(seed)), is_random=False)


@pytest.mark.parametrize(("increments", "orders"), [(1, 2), (2, 6), (3, 20)])
def test_the_orders_of_critical_sections_are_counted(increments: int, orders: int) -> None:
    """Two tasks that enter n times each can do so in (2n)! / n!² orders."""
    for strategy in (Observed(DFS()), "portfolio"):
        coverage = covered(locked(increments), strategy, executions=20_000)
        assert coverage.interleavings == orders
        assert coverage.orders == 2 * orders, "of the lock, and of the list"


def test_a_read_that_sees_another_write_is_another_pair() -> None:
    def program() -> None:
        account = programs.Account()
        together(account.pay, lambda: account.balance)

    before = covered(program, Observed(RandomWalk(0)), executions=1, targets=("tests",))
    after = covered(program, Observed(RandomWalk(0)), executions=200, targets=("tests",))
    assert after.reads_from > before.reads_from
    assert after.interleavings > before.interleavings == 1
    assert before.last_new == 1 < after.last_new


def test_who_looks_on_changes_nothing_for_who_sees_all() -> None:
    plain = explore(locked(2), strategy="portfolio", executions=300)
    assert plain.statistics.complete
    looked_at = explore(locked(2), strategy=Observed(DFS()), executions=20_000)
    assert looked_at.statistics.complete


@pytest.mark.parametrize("strategy", ["random", "pct", "portfolio"])
def test_it_ends_where_nothing_new_comes(strategy: str) -> None:
    exploration = explore(
        locked(3), strategy=strategy, executions=50_000, saturation=60, time_limit_s=60
    )
    assert exploration.verdict is Verdict.HOLDS
    statistics = exploration.statistics
    assert statistics.coverage is not None
    assert exploration.reason == "60 executions in a row showed nothing new"
    assert statistics.executions == statistics.coverage.last_new + 60


def test_a_finding_comes_before_that() -> None:
    exploration = explore(programs.lost_update, strategy="random", saturation=100)
    assert exploration.verdict is Verdict.VIOLATED


def test_without_it_nobody_looks() -> None:
    assert explore(locked(1), strategy="random", executions=5).statistics.coverage is None


def test_a_choice_that_is_none_is_told_as_without() -> None:
    class Wild(PCT):
        def choose(self, ready: object, pending: object, current: object) -> int:
            return 0

    with pytest.raises(InvalidArgument, match="chose task 0; it must choose one of"):
        explore(locked(1), strategy=Wild(0), saturation=5)


def test_a_strategy_of_ones_own_is_looked_on_too() -> None:
    exploration = explore(locked(1), strategy=PCT(3), executions=500, saturation=20)
    assert exploration.reason == "20 executions in a row showed nothing new"


def test_wrong_saturation() -> None:
    with pytest.raises(InvalidArgument, match="saturation is 0; it must be above 0"):
        explore(locked(1), saturation=0)


def test_the_report_says_what_was_seen() -> None:
    from stress.report.exploration import exploration_text

    text = exploration_text(explore(locked(1), executions=300)).plain
    seen = next(line for line in text.splitlines() if line.startswith("seen: "))
    assert seen.endswith("the last new in execution 2")
    assert seen.startswith("seen: 2 interleavings, ")
