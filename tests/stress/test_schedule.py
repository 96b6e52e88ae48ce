"""Schedules: plain data that survives a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.errors import InvalidArgument
from stress.schedule import Choice, Schedule

CHOICES = st.builds(
    Choice, st.integers(0), st.text(), st.lists(st.integers(0)).map(lambda ready: tuple(ready))
)


@given(st.builds(Schedule, st.integers(), st.lists(CHOICES).map(tuple)))
def test_round_trip(schedule: Schedule) -> None:
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


GOOD = Schedule(1, (Choice(0, "acquire", (0, 1)),)).to_json()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "this is no schedule"),
        ({}, "this is no schedule"),
        ({**GOOD, "format": "finding"}, "this is no schedule"),
        ({**GOOD, "format_version": 2}, "has format 2, and this hermes-stress reads 1"),
        ({**GOOD, "choices": [[0, "acquire"]]}, "is damaged"),
        ({**GOOD, "choices": 5}, "is damaged"),
        ({**GOOD, "seed": "x"}, "is damaged"),
    ],
)
def test_foreign_data(value: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Schedule.from_json(value)


def test_a_choice_in_words() -> None:
    assert str(Choice(2, "release", (0, 2))) == "task 2 about to release, of tasks 0, 2"
