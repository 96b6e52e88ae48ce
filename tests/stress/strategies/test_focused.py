"""Focus: where a strategy is asked, what is looked at again, and what that is worth."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from stress.conformance import check_strategy
from stress.errors import InvalidArgument
from stress.exploration import explore
from stress.finding import Verdict
from stress.report.exploration import exploration_text
from stress.strategies.focused import EVERY, FIRST, Focused
from stress.strategies.pos import POS
from stress.strategies.random_walk import RandomWalk
from stress.strategy import Pending
from tests.stress.strategies.simulation import Step, execute

OWN, OTHER, SHARED = Step("write", 1, "own"), Step("write", 2, "own"), Step("write", 3, "shared")


class Noted:
    """The random walk, and what it was asked."""

    def __init__(self) -> None:
        self._walk = RandomWalk(1)
        self.asked: list[list[str]] = []

    def begin(self, execution: int) -> bool:
        self.asked.append([])
        return self._walk.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        about = "" if current is None else pending[current].site.name
        self.asked[-1].append(about)
        return self._walk.choose(ready, pending, current)


def test_it_is_right() -> None:
    check_strategy(lambda seed: Focused(RandomWalk(seed)))
    check_strategy(lambda seed: Focused(POS(seed)))


def test_it_asks_where_what_is_shared_is_touched_and_now_and_then_everywhere() -> None:
    noted = Noted()
    strategy = Focused(noted)
    tasks = [[OWN, OWN, SHARED, OWN, OWN], [OTHER, OTHER, SHARED, OTHER, OTHER]]
    for number in range(3 * EVERY):
        execute(strategy, number, tasks)
        is_wide = number < FIRST or number % EVERY == 0
        assert ("own" in noted.asked[number]) is is_wide
        assert is_wide or set(noted.asked[number]) <= {"shared", ""}
    assert 0 < strategy.scheduled < 1
    assert strategy.passed > 0


def test_what_turns_out_to_be_shared_later_is_scheduled_from_then_on() -> None:
    noted = Noted()
    strategy = Focused(noted)
    alone = [[OWN, OWN, SHARED, OWN], [OTHER, SHARED]]
    for number in range(EVERY + 1):
        execute(strategy, number, alone)
    both = [[OWN, OWN, SHARED, OWN], [OWN, SHARED]]
    for number in range(EVERY + 1, 2 * EVERY):
        execute(strategy, number, both)
        assert "own" not in noted.asked[number]
    execute(strategy, 2 * EVERY, both)
    asked = []
    for number in range(2 * EVERY + 1, 3 * EVERY):
        execute(strategy, number, both)
        asked += noted.asked[number]
    assert "own" in asked


class Box:
    def __init__(self) -> None:
        self.count = 0


def much_else() -> None:
    """Three add to a box, early, late, or half way through what is their own."""
    box = Box()

    def work(before: int, after: int) -> None:
        own: list[int] = []
        for number in range(before):
            own.append(number)
        box.count += 1
        for number in range(after):
            own.append(number)

    pairs = ((150, 10), (10, 150), (80, 80))
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.count == 3


def test_a_race_between_much_else_takes_few_executions() -> None:
    """Within 60 executions, in each of five seeds; the plain walk needs more in all of them."""
    for seed in range(5):
        focused = explore(much_else, strategy="random", seed=seed, executions=60, focus=True)
        assert focused.verdict is Verdict.VIOLATED
        plain = explore(much_else, strategy="random", seed=seed, executions=60)
        assert plain.verdict is Verdict.HOLDS


def test_the_report_says_how_much_was_scheduled() -> None:
    exploration = explore(much_else, strategy="pct", focus=True, executions=30, stop_on_first=False)
    assert 0 < exploration.statistics.scheduled < 0.9
    share = f"{exploration.statistics.scheduled:.0%}"
    assert f"scheduled: {share} of the operations with a choice" in (
        exploration_text(exploration).plain
    )
    plain = explore(much_else, strategy="pct", executions=5)
    assert plain.statistics.scheduled == 1
    assert "scheduled: " not in exploration_text(plain).plain


@pytest.mark.parametrize("strategy", ["dfs", "delay", "dpor", "rff"])
def test_who_goes_by_all_operations_has_no_focus(strategy: str) -> None:
    with pytest.raises(InvalidArgument, match=f"strategy '{strategy}' goes by all operations"):
        explore(much_else, strategy=strategy, focus=True)


def test_the_portfolio_has_its_own() -> None:
    exploration = explore(much_else, executions=80, stop_on_first=False, focus=True)
    assert exploration.verdict is Verdict.VIOLATED
    assert 0 < exploration.statistics.scheduled <= 1
