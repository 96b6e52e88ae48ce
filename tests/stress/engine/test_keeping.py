"""An exploration keeps nothing of its executions: whatever a program makes ends with it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from stress.controlled import laboratory
from stress.exploration import explore
from stress.strategies.random_walk import RandomWalk
from tests.corpus import CASES
from tests.stress.engine import factories, made_before, programs
from tests.stress.engine.carriers import CARRIERS

PROGRAMS: list[Callable[[], None]] = [
    *programs.WRONG, *programs.RIGHT, *(case.program for case in CASES),
    made_before.native_locals, made_before.counting_under_a_tuple, factories.counting("tuple"),
    factories.counting("dataclass"),
]  # fmt: skip
ROUND = 60
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: f"{p.__module__}.{p.__name__}")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_nothing_is_kept(carrier: str, program: Callable[[], None]) -> None:
    counts = []
    with laboratory(program, None, carrier) as lab:
        walk = RandomWalk(1)
        for number in range(3 * ROUND):
            if number % ROUND == 0:
                gc.collect()
                counts.append(len(gc.get_objects()))
            lab.execute(program, walk, number=number, seed=1, step_limit=20_000)
        gc.collect()
        counts.append(len(gc.get_objects()))
    # What is kept of every execution comes in every round; what is made now and then, such as
    # one more thread for the pool, does not.
    grown = [after - before for before, after in pairwise(counts)]
    assert min(grown) < ROUND, counts


def test_greenlets_end_with_the_exploration() -> None:
    greenlet = pytest.importorskip("greenlet")

    def living() -> int:
        gc.collect()
        return sum(type(found) is greenlet.greenlet for found in gc.get_objects())

    explore(programs.kept_update, executions=5)
    before = living()
    for seed in range(5):
        explore(programs.kept_update, executions=5, seed=seed)
    assert living() == before


MANY = """
import gc
from stress.exploration import explore
from tests.corpus import pools

counts = []
for number in range(40):
    explore(pools.counted_by_workers, executions=200)
    counts.append(len(gc.get_objects()))
print(counts[0], max(counts))
"""


def test_what_explorations_leave_behind_is_collected() -> None:
    """Though each sets apart what is there: after many, there is not much more than after one."""
    done = subprocess.run(
        [sys.executable, "-c", MANY], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    first, most = map(int, done.stdout.split())
    assert most < first + 30_000
