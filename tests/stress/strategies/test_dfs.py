"""The systematic search makes every execution once, and those with few preemptions first."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.conformance import check_strategy
from stress.errors import ScheduleDiverged
from stress.exploration import explore
from stress.finding import Verdict
from stress.report.exploration import exploration_text
from stress.site import Site
from stress.strategies.dfs import DFS
from stress.strategy import Pending
from tests.stress.strategies.simulation import Order, Step, execute

STEP = Step("write", 1, "x")


def orders(lengths: list[int], strategy: DFS) -> list[Order]:
    """Of all its executions."""
    tasks = [[STEP] * length for length in lengths]
    found = []
    while strategy.begin(len(found)):
        found.append(execute(strategy, len(found), tasks))
    return found


def preemptions(order: Order, lengths: list[int]) -> int:
    count = 0
    for (task, index), (following, _) in pairwise(order):
        count += task != following and index + 1 < lengths[task]
    return count


def delays(order: Order, tasks: int) -> int:
    """How many tasks that could have gone on were passed over, round and round."""
    lengths = [max((i for t, i in order if t == task), default=-1) + 1 for task in range(tasks)]
    count, last, done = 0, 0, [0] * tasks
    for task, index in order:
        at = last
        while at != task:
            count += done[at] < lengths[at]
            at = (at + 1) % tasks
        last, done[task] = task, index + 1
    return count


@pytest.mark.parametrize("by_delays", [False, True])
def test_it_is_right(by_delays: bool) -> None:
    check_strategy(partial(DFS, delays=by_delays), is_random=False)


@pytest.mark.parametrize("by_delays", [False, True])
@given(lengths=st.lists(st.integers(1, 3), min_size=2, max_size=3))
@settings(max_examples=25, deadline=None)
def test_every_order_once(by_delays: bool, lengths: list[int]) -> None:
    found = orders(lengths, DFS(delays=by_delays))
    all_of_them = math.factorial(sum(lengths)) // math.prod(map(math.factorial, lengths))
    assert len(found) == len({tuple(order) for order in found}) == all_of_them


def test_fewest_preemptions_first() -> None:
    lengths = [3, 2, 2]
    strategy = DFS()
    counts = [preemptions(order, lengths) for order in orders(lengths, strategy)]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts.count(0) == 6
    assert strategy.complete


def test_fewest_delays_first() -> None:
    lengths = [3, 2, 2]
    strategy = DFS(delays=True)
    counts = [delays(order, 3) for order in orders(lengths, strategy)]
    assert counts == sorted(counts)
    # One execution without any, and not one for each order of the tasks.
    assert counts.count(0) == 1
    assert strategy.complete


def test_with_many_tasks_few_delays_find_what_few_preemptions_do_not() -> None:
    """That the first of nine threads does not go first is one delay, and one of many thousand
    orders without a preemption."""
    limits = {"delay": 20, "dfs": 500}
    found = {
        name: explore(two_of_nine, strategy=name, executions=limit, shrink=False).findings
        for name, limit in limits.items()
    }
    assert found["delay"]
    assert found["dfs"] == ()


def two_of_nine() -> None:
    seen: list[int] = []
    threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[:2] != [1, 2]


def test_what_it_cannot_keep_it_does_not_claim() -> None:
    strategy = DFS(kept_max=5)
    found = orders([3, 3], strategy)
    assert len(found) < 20
    assert not strategy.complete


def test_an_execution_that_is_begun_anew_counts_once() -> None:
    strategy = DFS()
    tasks = [[STEP] * 2] * 2
    assert strategy.begin(0)
    site = Site("begin", "", "", "", "", 0, 0)
    pending = [Pending(number, site, None) for number in range(2)]  # type: ignore[arg-type]
    strategy.choose([0, 1], pending, None)
    found = []
    while strategy.begin(len(found)):
        found.append(execute(strategy, len(found), tasks))
    assert len(found) == len(set(map(tuple, found))) == 6


def test_a_program_that_does_not_do_the_same_twice_is_told() -> None:
    strategy = DFS()
    execute(strategy, 0, [[STEP] * 2] * 2)
    strategy.begin(1)
    with pytest.raises(ScheduleDiverged, match=r"choice 0: task 1 went on .* ready tasks are"):
        strategy.choose([3, 4], [], None)


def test_of_such_a_program_nothing_is_claimed() -> None:
    left: list[int] = []

    def program() -> None:
        left.append(1)
        works = [lambda: box.append(1)] * (2 + len(left) % 7 // 6)
        box: list[int] = []
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in reversed(threads):
            thread.join()

    exploration = explore(program, strategy="dfs", executions=500)
    assert exploration.verdict is Verdict.UNKNOWN
    assert "not do the same twice" in exploration.reason


def counting(*, locked: bool) -> Callable[[], None]:
    def program() -> None:
        lock, box = threading.Lock(), [0]

        def work() -> None:
            if locked:
                lock.acquire()
            box[0] += 1
            if locked:
                lock.release()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box == [2]

    return program


@pytest.mark.parametrize("carrier", ["greenlet", "thread"])
def test_a_lost_update_with_one_preemption(carrier: str) -> None:
    if carrier == "greenlet":
        pytest.importorskip("greenlet")
    exploration = explore(counting(locked=False), strategy="dfs", executions=500, carrier=carrier)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    finding = exploration.findings[0]
    assert finding.schedule is not None
    assert sum(switch.at is not None for switch in finding.schedule.switches) == 1


def test_of_a_right_program_it_executes_everything() -> None:
    pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")
    exploration = explore(counting(locked=True), strategy="dfs", executions=100_000)
    assert exploration.verdict is Verdict.HOLDS, exploration.findings
    assert exploration.reason == "all interleavings were executed"
    assert exploration.statistics.executions > 100
    assert exploration.statistics.complete
    assert exploration.statistics.residual_risk == 0.0
    text = exploration_text(exploration).plain
    assert "verdict: holds for this program and its input: there are no other" in text
