"""What comes out of real programs, drawn at random, in what DPOR executes: all that can."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import methodcaller

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.engine.fork_join import fork_join
from stress.exploration import explore
from tests.stress.strategies import operations
from tests.stress.strategies.operations import OPERATIONS, Operation, Shared, add, give, take

pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")


Program = Sequence[Sequence[Operation]]


def outcomes(program: Program, strategy: str, executions: int) -> tuple[set[str], bool]:
    """All that tasks saw, and what was left; and whether it is said that this is all."""
    found: set[str] = set()

    def told() -> None:
        shared = Shared()
        seen: list[list[object]] = [[] for _ in program]

        def work(me: int, operations: Sequence[Operation], mine: list[object]) -> None:
            # One operation of the program, whatever is in it: the fewer there are, the more of them
            # brute force can put in all orders.
            mine.extend(map(methodcaller("__call__", shared, me), operations))

        workers = [partial(work, me, program[me], seen[me]) for me in range(len(program))]
        try:
            fork_join([(lambda _, begin=begin: begin(), "work") for begin in workers], None)
        finally:
            left = [shared.box, shared.items, shared.names, shared.numbers]
            found.add(repr((seen, left)))

    exploration = explore(
        told,
        strategy=strategy,
        executions=executions,
        stop_on_first=False,
        shrink=False,
        targets=[operations.__name__],
    )
    return found, exploration.reason == "all interleavings were executed"


def programs() -> st.SearchStrategy[Program]:
    def tasks(number: int, most: int) -> st.SearchStrategy[Program]:
        task = st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=most)
        return st.lists(task, min_size=number, max_size=number)

    return st.one_of(tasks(2, 2), tasks(3, 1))


@given(programs())
@settings(max_examples=20, deadline=None)
def test_what_can_come_out_does(program: Program) -> None:
    by_dpor, is_all = outcomes(program, "dpor", 500)
    everything, was_all = outcomes(program, "dfs", 1_500)
    if is_all:
        assert by_dpor >= everything
    if was_all:
        assert by_dpor <= everything
    assert is_all or not was_all, "brute force came to its end before"


def test_a_deadlock_of_takers_is_among_it() -> None:
    # What was given is taken by who gave it, or by the other one.
    found, is_all = outcomes([[take], [give, take]], "dpor", 100)
    assert is_all
    assert len(found) == 2


def test_it_is_not_said_to_be_all_before_it_is() -> None:
    _, is_all = outcomes([[add, add], [add, add]], "dpor", 3)
    assert not is_all
