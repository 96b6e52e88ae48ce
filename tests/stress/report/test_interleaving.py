"""The interleaving of a finding: what gets a row, what is folded, and how wide it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.events import Anchor, Event
from stress.finding import Finding, Frame
from stress.finding_format import decode_finding, encode_finding
from stress.report.console import render_finding
from stress.report.interleaving import PREEMPTED, interleaving_text
from stress.report.schedule import cycle_text, schedule_text
from tests.stress.report import samples


def rows(finding: Finding, width: int = 100) -> list[str]:
    return interleaving_text(finding, width).plain.splitlines()[2:]


def made(tape: samples.Tape, *ends: dict[str, object]) -> Finding:
    return samples.controlled(
        tape,
        kind=samples.FindingKind.EXCEPTION,
        message="it broke",
        fingerprint="a" * 64,
        details={"ends": list(ends)},
    )


def test_without_a_trace_there_is_no_table() -> None:
    assert interleaving_text(samples.CRASH, 100).plain == ""
    assert interleaving_text(replace(samples.LOST_UPDATE, trace=()), 100).plain == ""
    assert schedule_text(samples.CRASH).plain == ""
    assert cycle_text(samples.LOST_UPDATE).plain == ""


@pytest.mark.parametrize("finding", [samples.LOST_UPDATE, samples.DEADLOCK, samples.CROWDED])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_lines_keep_to_the_width(finding: Finding, width: int) -> None:
    assert max(map(len, rows(finding, width))) <= width


def test_a_report_from_a_file_is_the_same() -> None:
    for finding in (samples.LOST_UPDATE, samples.DEADLOCK, samples.CROWDED):
        assert render_finding(decode_finding(encode_finding(finding), "x")) == render_finding(
            finding
        )


def test_it_ends_at_the_failure_though_others_went_on() -> None:
    tape = samples.Tape()
    tape.step(0, "start:Thread", "Thread 1", 3)
    tape.step(1, "begin", ready=(0, 1), preempts="join:Thread")
    tape.step(1, "write:x", "Box 1", 5, function="work")
    tape.step(0, "write:x", "Box 1", 7)
    tape.step(0, "write:x", "Box 1", 8)
    finding = made(tape, samples.end(1, "KeyError: 'x'", 6, over=True))
    lines = rows(finding)
    assert lines[-1].split() == ["bank.py:6", "✗", "KeyError:", "'x'"]
    assert not any("bank.py:7" in line or "bank.py:8" in line for line in lines)


def test_what_only_one_task_uses_is_folded_and_reads_alone_are_no_conflict() -> None:
    tape = samples.Tape()
    tape.step(0, "start:Thread", "Thread 1", 3)
    tape.step(1, "begin", ready=(0, 1), preempts="join:Thread")
    for _ in range(12):
        tape.step(1, "write:mine", "Box 1", 5, function="work")
    tape.step(1, "read:shared", "Box 1", 6, function="work")
    tape.step(1, "call:get", "dict 2", 6, function="work")
    tape.step(0, "read:shared", "Box 1", 8)
    tape.step(0, "call:get", "dict 2", 8)
    tape.step(0, "acquire:Lock", "Lock 3", 9)
    tape.step(1, "acquire:Lock", "Lock 3", 9, function="work")
    told = [" ".join(line.split()) for line in rows(made(tape))]
    assert told[1:] == [
        f"bank.py:3 start task 1 {PREEMPTED}",
        "… 15 steps",
        "… 2 steps",
        "bank.py:9 acquire Lock 3",
        "bank.py:9 acquire Lock 3",
    ] or told[1:] == [
        f"bank.py:3 start task 1 {PREEMPTED}",
        "… 17 steps of tasks 0 and 1",
        "bank.py:9 acquire Lock 3",
        "bank.py:9 acquire Lock 3",
    ]


def test_a_loop_is_one_row_and_names_are_told_apart() -> None:
    tape = samples.Tape()
    tape.step(0, "start:Thread", "Thread 1", 3)
    tape.step(1, "write:x", "Box 1", 5, function="work")
    for _ in range(1500):
        tape.step(0, "read:x", "Box 1", 7)
    tape.step(0, "write:x", "Box 2", 8)
    tape.step(1, "write:x", "Box 2", 8, function="work")
    text = "\n".join(rows(made(tape)))
    assert "read x of Box 1 ×1,500" in text
    assert "write x of Box 2" in text


def test_steps_that_are_not_kept_are_told() -> None:
    trace = list(samples.LOST_UPDATE.trace)
    late = [replace(event, step=event.step + 95_000) for event in trace[10:]]
    text = "\n".join(rows(replace(samples.LOST_UPDATE, trace=(*trace[:10], *late))))
    assert "… steps 10 to 95009 are not kept" in text


def test_starts_that_do_not_match_the_tasks_are_told_by_their_object() -> None:
    trace = tuple(replace(event, task=event.task * 3) for event in samples.LOST_UPDATE.trace)
    text = "\n".join(rows(replace(samples.LOST_UPDATE, trace=trace)))
    assert "start Thread 2" in text
    assert "start task" not in text


def test_many_waiting_tasks_are_cut() -> None:
    waits = [f"task {number} waits" for number in range(40)]
    finding = replace(samples.DEADLOCK, details={"waits": waits, "cycle": []})
    text = cycle_text(finding).plain
    assert text.startswith("\nwho waits\n")
    assert "… 16 more tasks\n" in text


texts = st.text(max_size=12)
events = st.builds(
    Event,
    step=st.integers(0, 30),
    task=st.integers(0, 9),
    anchor=st.builds(
        Anchor,
        st.sampled_from(["begin", "start", "read", "write", "call", "acquire", "join", "x"]),
        texts,
        texts,
        st.integers(1, 3),
    ),
    subject=st.sampled_from(["", "Box 1", "list 2"]),
    ready=st.just((0, 1)),
    frame=st.none() | st.builds(Frame, texts, st.integers(0, 99), texts),
    preempted=st.none() | st.just(Anchor("read", "x", "f", 1)),
)
json_values = st.recursive(
    st.none() | st.integers() | texts,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(texts | st.just("task"), v, max_size=3),
)


@given(st.lists(events, max_size=12).map(tuple), st.integers(60, 120), json_values)
def test_any_trace_can_be_told(trace: tuple[Event, ...], width: int, strange: object) -> None:
    """Files come from other versions, and from hands: a report of them must not fail."""
    finding = replace(samples.LOST_UPDATE, trace=trace)
    assert isinstance(render_finding(finding, width), str)
    for name in ("ends", "tasks", "waits", "cycle"):
        render_finding(replace(finding, details={name: [{"task": strange, "text": strange}]}))
        details = {**finding.details, name: json.loads(json.dumps(strange))}
        render_finding(replace(finding, details=details), width)
