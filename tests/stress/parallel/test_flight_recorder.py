"""What is written is decoded; what is damaged is skipped; lanes are never mixed up."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.finding import RecordedOperation
from stress.parallel import flight_recorder
from stress.parallel.flight_recorder import (
    HEADER_BYTES,
    LANES,
    RECORD_BYTES,
    RECORDS_PER_LANE,
    ROLL_ENTRIES,
    FlightRecorder,
    decode,
    read_flight,
)

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
STEPS = st.integers(-(2**63), 2**63 - 1)
LANES_AT = HEADER_BYTES + ROLL_ENTRIES * RECORD_BYTES


@contextmanager
def recording(seed: int = 0) -> Iterator[tuple[FlightRecorder, Path]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "recorder.bin"
        yield FlightRecorder.create(path, seed), path


def told(operations: tuple[RecordedOperation, ...]) -> list[tuple[int, str, str]]:
    return [(op.step, op.phase, op.name) for op in operations]


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, NAMES)), st.integers(0, 2**64 - 1))
def test_what_is_written_is_decoded(entries: list[tuple[int, str]], seed: int) -> None:
    with recording(seed) as (recorder, path):
        for step, name in entries:
            with recorder.operation(step, name):
                recorder.note(name)
        flight = read_flight(path)
    assert (flight.seed, flight.process) == (seed, os.getpid())
    expected = [
        entry
        for step, name in entries
        for entry in ((step, "begin", name), (-1, "note", name), (step, "end", name))
    ]
    assert told(flight.operations) == expected[-RECORDS_PER_LANE:]
    times = [operation.time_ns for operation in flight.operations]
    assert times == sorted(times)
    assert all(time >= 0 for time in times)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_record_is_skipped_and_costs_no_other(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 20))
    damaged = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    with recording() as (recorder, path):
        for step in range(count):
            recorder.record(step, flight_recorder.BEGIN, "step")
        content = bytearray(path.read_bytes())
        for step in damaged:
            at = LANES_AT + step * RECORD_BYTES + data.draw(st.integers(0, RECORD_BYTES - 1))
            content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        operations = decode(path)
    assert [op.step for op in operations] == [s for s in range(count) if s not in damaged]


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, LANES_AT + 4096))
def test_no_damage_makes_decoding_fail(noise: bytes, at: int) -> None:
    with recording() as (recorder, path):
        recorder.note("here")
        content = bytearray(path.read_bytes())
        content[at : at + len(noise)] = noise
        path.write_bytes(content)
        assert len(decode(path)) <= 1
        path.write_bytes(content[:at])
        assert len(decode(path)) <= 1


def test_what_is_no_recorder_file_is_an_empty_flight(tmp_path: Path) -> None:
    assert decode(tmp_path / "missing") == ()
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"x" * 10_000)
    assert decode(foreign) == ()


def test_another_format_version_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording() as (recorder, path):
        recorder.note("here")
        monkeypatch.setattr(flight_recorder, "VERSION", 2)
        assert decode(path) == ()


def test_an_existing_file_is_not_overwritten() -> None:
    with recording() as (_, path), pytest.raises(FileExistsError):
        FlightRecorder.create(path, 0)


def test_an_operation_that_raises() -> None:
    with recording() as (recorder, path):
        with pytest.raises(KeyError), recorder.operation(4, "look up"):
            raise KeyError("gone")
        assert told(decode(path)) == [(4, "begin", "look up"), (4, "error", "look up")]


def test_a_long_name_loses_its_middle() -> None:
    with recording() as (recorder, path):
        recorder.note("tests/stress/parallel/test_flight_recorder.py::test_a_long_name")
        (operation,) = decode(path)
    assert operation.name == "tests/stress/…er.py::test_a_long_name"
    assert len(operation.name.encode()) <= 39


def test_threads_have_their_names_and_their_own_order() -> None:
    with recording() as (recorder, path):

        def work() -> None:
            for step in range(50):
                recorder.record(step, flight_recorder.BEGIN, "work")

        threads = [threading.Thread(target=work, name=f"actor {n}") for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        operations = decode(path)
    for thread in threads:
        own = [op.step for op in operations if op.thread == thread.name]
        assert own == list(range(50))


def test_lanes_of_ended_threads_are_used_again() -> None:
    with recording() as (recorder, path):
        for number in range(LANES + 50):
            thread = threading.Thread(target=recorder.note, args=("x",), name=f"t{number}")
            thread.start()
            thread.join()
        threads = [operation.thread for operation in decode(path)]
    # One record each; a lane taken over keeps what its first owner wrote.
    assert threads == [f"t{number}" for number in range(LANES + 50)]


def test_more_living_threads_than_lanes_share_the_last() -> None:
    count = LANES + 20
    with recording() as (recorder, path):
        everybody = threading.Barrier(count)

        def work() -> None:
            recorder.note("x")
            everybody.wait()

        threads = [threading.Thread(target=work, name=f"t{n}") for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = Counter(operation.thread for operation in decode(path))
    assert seen == {f"t{number}": 1 for number in range(count)}


def test_a_thread_unknown_to_threading_is_numbered_and_stays_unknown() -> None:
    import _thread

    with recording() as (recorder, path):
        done = threading.Event()

        def work() -> None:
            recorder.note("x")
            done.set()

        before = threading.active_count()
        _thread.start_new_thread(work, ())
        assert done.wait(60)
        assert threading.active_count() == before
        assert [operation.thread for operation in decode(path)] == ["thread 0"]


def test_the_last_name_of_an_ident_counts() -> None:
    with recording() as (recorder, path):
        recorder.enrol(77, "old")
        recorder.enrol(77, "new")
        assert read_flight(path).threads == {77: "new"}


def test_more_threads_than_the_roll_holds() -> None:
    with recording() as (recorder, path):
        for number in range(ROLL_ENTRIES + 1):
            recorder.enrol(number, f"t{number}")
        assert read_flight(path).threads == {n: f"t{n}" for n in range(1, ROLL_ENTRIES + 1)}


def test_a_lane_keeps_the_last_records_only() -> None:
    with recording() as (recorder, path):
        for step in range(RECORDS_PER_LANE + 10):
            recorder.record(step, flight_recorder.BEGIN, "x")
        assert [op.step for op in decode(path)] == list(range(10, RECORDS_PER_LANE + 10))
