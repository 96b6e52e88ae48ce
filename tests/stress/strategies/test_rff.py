"""RFF has reads see writes that they did not see yet, and so comes to a bug in a few executions."""

from __future__ import annotations

from statistics import mean

import pytest

from stress.conformance import check_strategy
from stress.exploration import explore
from stress.finding import Verdict
from stress.strategies.rff import RFF
from tests.corpus import yardsticks
from tests.corpus.yardsticks import reorder, twostage
from tests.stress.strategies.simulation import Step, execute

SEEDS = range(5)


def test_it_is_right() -> None:
    check_strategy(RFF)


READ, WRITE = Step("read", 1, "x"), Step("write", 1, "x")
OTHER_READ, OTHER_WRITE = Step("read", 2, "y"), Step("write", 2, "y")


def what_is_read(strategy: RFF, number: int, tasks: list[list[Step]]) -> tuple[object, ...]:
    """For each read of a task the write that it saw, as (task, index); None before the first."""
    written: dict[str, tuple[int, int]] = {}
    seen = []
    for task, index in execute(strategy, number, tasks):
        step = tasks[task][index]
        if step.kind == "write":
            written[step.name] = (task, index)
        else:
            seen.append(((task, index), written.get(step.name)))
    return tuple(sorted(seen, key=str))


def test_at_first_writes_wait_so_that_updates_get_lost() -> None:
    found = what_is_read(RFF(1), 0, [[READ, WRITE]] * 2)
    assert [source for _, source in found] == [None, None]


def test_the_combinations_of_two_reads_in_as_many_executions() -> None:
    # A reader of two places, and many writers of one and then the other.
    tasks = [[READ, OTHER_READ], *[[WRITE, OTHER_WRITE]] * 20]
    for seed in SEEDS:
        strategy = RFF(seed)
        seen = set()
        for number in range(6):
            read = dict(what_is_read(strategy, number, tasks))
            seen.add((read[0, 0] is not None, read[0, 1] is not None))
        assert seen == {(False, False), (True, False), (True, True), (False, True)}


def test_of_what_nothing_is_shared_nothing_is_planned() -> None:
    strategy = RFF(1)
    for number in range(5):
        execute(strategy, number, [[READ], [READ], [OTHER_WRITE]])
    assert not strategy.planned


@pytest.mark.parametrize(
    ("program", "published"),
    [
        # The best figure of the field for each, in schedules: see docs/strategies.md.
        (reorder(2), 7),
        (reorder(9), 6),
        (twostage(1), 8),
        (yardsticks.string_buffer, 8),
        (yardsticks.bluetooth_driver, 36),
        (yardsticks.wrong_lock, 1),
    ],
    ids=["reorder_3", "reorder_10", "twostage", "stringbuffer", "bluetooth_driver", "wronglock"],
)
def test_it_is_as_good_as_the_best(program: object, published: int) -> None:
    needed = []
    for seed in SEEDS:
        exploration = explore(
            program,  # type: ignore[arg-type]
            strategy="rff",
            executions=200,
            seed=seed,
            targets=[yardsticks.__name__],
        )
        assert exploration.verdict is Verdict.VIOLATED
        needed.append(exploration.statistics.executions)
    assert mean(needed) <= 1.5 * published, needed


@pytest.mark.parametrize(
    "program", [reorder(5, locked=True), yardsticks.two_stages_at_once, yardsticks.right_lock]
)
def test_and_finds_nothing_where_nothing_is(program: object) -> None:
    exploration = explore(
        program,  # type: ignore[arg-type]
        strategy="rff",
        executions=300,
        targets=[yardsticks.__name__],
    )
    assert exploration.verdict is Verdict.HOLDS, exploration.findings
