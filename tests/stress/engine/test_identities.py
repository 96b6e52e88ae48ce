"""What would follow from addresses follows from the order in which things were made."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait

import pytest

from stress.controlled import laboratory
from stress.exploration import explore
from stress.strategies.random_walk import RandomWalk
from stress.strategy import Pending
from tests.stress.engine import programs
from tests.stress.engine.carriers import CARRIERS


@pytest.mark.parametrize("carrier", CARRIERS)
def test_threads_and_futures_in_sets_are_in_the_order_of_their_making(carrier: str) -> None:
    orders: set[tuple[str, ...]] = set()
    lumber: list[object] = []

    def program() -> None:
        # Addresses are others in every execution.
        lumber.extend(object() for _ in range(7))
        threads = {threading.Thread(target=int) for _ in range(5)}
        futures = {Future[int]() for _ in range(5)}
        made = [int(thread.name.split("-")[1].split(" ")[0]) for thread in threads]
        orders.add((str(made), *(str(vars(future)["_made"]) for future in futures)))

    explore(program, executions=20, carrier=carrier)
    assert orders == {("[1, 2, 3, 4, 5]", "6", "7", "8", "9", "10")}


def test_who_waits_for_a_set_of_futures_does_the_same_again() -> None:
    orders: list[tuple[int, ...]] = []

    def program() -> None:
        with ThreadPoolExecutor(3) as pool:
            left = {pool.submit(abs, number) for number in range(4)}
            order = []
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                order += [future.result() for future in done]
            order += [f.result() for f in as_completed([pool.submit(abs, n) for n in range(3)])]
        orders.append(tuple(order))

    with laboratory(program, None, "auto") as lab:
        walk = RandomWalk(0)
        for number in range(60):
            for _ in range(2):
                lab.execute(program, walk, number=number, seed=0, step_limit=10_000)
    assert orders[::2] == orders[1::2]
    assert len(set(orders)) > 1


def test_hashes_are_as_ever_afterwards() -> None:
    before = threading.Thread()
    kept = {before}
    inside: list[bool] = []
    explore(lambda: inside.append(before in kept), executions=2)
    assert all(inside)
    assert "__hash__" not in vars(threading.Thread)
    assert "__hash__" not in vars(Future)
    assert before in kept


class Looking:
    """Asks for the number of every object that it is shown."""

    def __init__(self) -> None:
        self.walk = RandomWalk(5)
        self.seen: list[tuple[int, ...]] = []

    def begin(self, execution: int) -> bool:
        self.seen = []
        return self.walk.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        self.seen.append(tuple(pending[number].subject for number in ready))
        return self.walk.choose(ready, pending, current)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_address_that_is_used_again_is_another_object(carrier: str) -> None:
    """`together` iterates twice, and the second iterator often lies where the first lay."""
    with laboratory(programs.lost_update, None, carrier) as lab:
        strategy = Looking()
        for number in range(100):
            seen = []
            for _ in range(2):
                lab.execute(programs.lost_update, strategy, number=number, seed=0, step_limit=1000)
                seen.append(strategy.seen)
            assert seen[0] == seen[1]
