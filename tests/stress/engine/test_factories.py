"""What makes locks, taken before the exploration: its locks are under control all the same."""

from __future__ import annotations

import threading

import pytest

from stress.exploration import explore
from stress.finding import Verdict
from tests.stress.engine import factories
from tests.stress.engine.carriers import CARRIERS


@pytest.mark.parametrize("way", factories.WAYS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_its_locks_exclude(carrier: str, way: str) -> None:
    exploration = explore(factories.counting(way), executions=150, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)
    assert exploration.statistics.preemptions > 0


@pytest.mark.parametrize("way", factories.WAYS)
def test_without_them_it_is_wrong(way: str) -> None:
    program = factories.counting(way, locked=False)
    assert explore(program, executions=150).verdict is Verdict.VIOLATED


@pytest.mark.parametrize("way", ["name", "dataclass", "instance", "closure", "default", "list"])
def test_where_the_maker_can_be_replaced_they_are_models(way: str) -> None:
    made = []

    def program() -> None:
        made.append(type(factories.WAYS[way]()).__module__)

    explore(program, executions=1, targets=(factories.__name__,))
    assert set(made) == {"stress.engine.locks"}


def test_a_clock_taken_before_is_virtual() -> None:
    exploration = explore(factories.sleepy, executions=20)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)


def test_all_of_them_are_put_back() -> None:
    def held() -> list[object]:
        cell = factories.WAYS["closure"].__closure__[0]  # type: ignore[attr-defined]
        return [
            factories.Maker.__dict__["of_class"].__func__,
            factories.maker.of_instance,
            cell.cell_contents,
            factories.by_default.__defaults__[0],  # type: ignore[index]
            factories.in_a_list[0],
            factories.sleepy.__defaults__,
            type(factories.Locked().lock),
        ]

    before = held()
    explore(factories.counting("dataclass"), executions=3)
    assert all(one is other for one, other in zip(held()[:-2], before[:-2], strict=True))
    assert held() == before
    assert before[0] is threading.Lock
