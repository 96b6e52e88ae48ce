"""Drawing plans: deterministic, scaled by one knob, and made of known operations only."""

from __future__ import annotations

import json

import pytest

from stress.plan import Plan
from stress.workloads.catalogue import FAMILIES, WORKLOADS

NAMES = sorted(WORKLOADS)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_plan(name: str) -> None:
    workload = WORKLOADS[name]
    assert workload.draw(7, 2) == workload.draw(7, 2)
    assert workload.draw(7, 2) != workload.draw(8, 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_survives_a_round_trip(name: str) -> None:
    plan = WORKLOADS[name].draw(3, 1)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_handler_and_a_step_of_its_own(name: str) -> None:
    plan = WORKLOADS[name].draw(5, 3)
    for operation in plan.operations:
        family, _, verb = operation.name.partition(".")
        assert verb in FAMILIES[family].handlers
    steps = [operation.step for operation in plan.operations]
    assert steps == list(range(len(steps)))


@pytest.mark.parametrize("name", NAMES)
def test_size_scales_the_plan(name: str) -> None:
    small, large = (len(WORKLOADS[name].draw(1, size).operations) for size in (1, 8))
    assert 3 * small < large < 16 * small


@pytest.mark.parametrize("name", NAMES)
def test_every_plan_has_two_actors_at_least(name: str) -> None:
    assert all(len(WORKLOADS[name].draw(seed, 1).actors) >= 2 for seed in range(20))


def test_mixed_draws_from_every_family() -> None:
    families = {op.name.partition(".")[0] for op in WORKLOADS["mixed"].draw(0, 2).operations}
    assert families == set(FAMILIES)
