"""Plans are plain data: they survive a round trip and print whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from stress.plan import Actor, Operation, Plan

words = st.text("abcxyz-é⟦", min_size=1, max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(words, scalars, max_size=2)
operations = st.builds(
    Operation,
    step=st.integers(0, 1000),
    name=st.sampled_from(["sessions.append", "console.print", "clients.call"]),
    arguments=st.dictionaries(words, values, max_size=2),
)
actors = st.builds(Actor, name=words, operations=st.lists(operations, max_size=3).map(tuple))
plans = st.builds(
    Plan,
    workload=words,
    seed=st.integers(0, 2**48),
    size=st.integers(1, 99),
    actors=st.lists(actors, max_size=3).map(tuple),
)


@given(plans)
def test_round_trip_through_json_text(plan: Plan) -> None:
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(plans)
def test_the_description_has_a_line_for_each_actor_and_operation(plan: Plan) -> None:
    lines = plan.describe(width=60).split("\n")
    assert len(lines) == 1 + len(plan.actors) + len(plan.operations)
    assert all(len(line) <= 60 for line in lines[1:])
    named = [line.split()[1] for line in lines if line.startswith("    ")]
    assert named == [operation.name for operation in plan.operations]
