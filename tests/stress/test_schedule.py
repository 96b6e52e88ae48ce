"""Schedules: plain data that survives a file, and reads as what it does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.errors import InvalidArgument
from stress.events import Anchor, Event
from stress.schedule import Schedule, Switch, schedule_of

ANCHORS = st.builds(Anchor, st.text(), st.text(), st.text(), st.integers(1))
SWITCHES = st.builds(
    Switch,
    task=st.integers(0),
    at=st.none() | ANCHORS,
    to=st.integers(0),
    ready=st.lists(st.integers(0)).map(tuple),
)


@given(st.builds(Schedule, st.integers(), st.lists(SWITCHES).map(tuple)))
def test_round_trip(schedule: Schedule) -> None:
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


WRITE = Anchor("write", "balance", "Account.pay", 2)
GOOD = Schedule(1, (Switch(task=1, at=WRITE, to=2, ready=(1, 2)),)).to_json()
SWITCH = GOOD["switches"][0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "this is no schedule"),
        ({}, "this is no schedule"),
        ({**GOOD, "format": "finding"}, "this is no schedule"),
        ({**GOOD, "format_version": 2}, "has format 2, and this hermes-stress reads 1"),
        ({**GOOD, "switches": [{**SWITCH, "at": ["write"]}]}, "is damaged"),
        ({**GOOD, "switches": [{"task": 1}]}, "is damaged"),
        ({**GOOD, "switches": 5}, "is damaged"),
        ({**GOOD, "seed": "x"}, "is damaged"),
    ],
)
def test_foreign_data(value: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Schedule.from_json(value)


def test_a_schedule_in_words() -> None:
    schedule = Schedule(7, (
        Switch(task=1, at=WRITE, to=2, ready=(1, 2)),
        Switch(task=2, at=None, to=1, ready=(0, 1)),
    ))  # fmt: skip
    assert str(schedule) == (
        "seed 7\n"
        "when task 1 is about to write balance in Account.pay (time 2), task 2 goes on\n"
        "when task 2 cannot go on, task 1 goes on"
    )


def event(step: int, task: int, ready: tuple[int, ...], preempted: Anchor | None = None) -> Event:
    anchor = Anchor("read", "x", "f", step + 1)
    return Event(step, task, anchor, "", ready, None, preempted)


def test_only_switches_with_a_choice_are_kept() -> None:
    events = (
        event(0, 0, (0,)),
        event(1, 0, (0, 1)),  # It could have been another task: no switch all the same.
        event(2, 1, (0, 1), WRITE),  # A preemption.
        event(3, 0, (0,)),  # Nobody else was ready.
        event(4, 2, (1, 2)),  # Task 0 waits: somebody had to go on.
    )
    assert schedule_of(3, events) == Schedule(3, (
        Switch(task=0, at=WRITE, to=1, ready=(0, 1)),
        Switch(task=0, at=None, to=2, ready=(1, 2)),
    ))  # fmt: skip
