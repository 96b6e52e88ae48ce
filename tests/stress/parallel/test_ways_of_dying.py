"""Every way in which a trial can end, each with what must be known of it afterwards."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from stress.finding import ThreadStack
from stress.parallel import host
from stress.trial import Condition, TrialRecord
from tests.stress.parallel.runs import exists, innermost, phases, run_many, run_one

HANG_TIMEOUT_S = 2.0
FATAL = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT}


def current(record: TrialRecord) -> ThreadStack:
    (stack,) = [stack for stack in record.threads if stack.current]
    assert record.threads[0] is stack
    return stack


def test_a_program_that_returns(tmp_path: Path) -> None:
    record = run_one(tmp_path, "finish", {"number": 21})
    assert (record.condition, record.exit_code, record.signal) == (Condition.FINISHED, 0, None)
    assert record.report == {"doubled": 42}
    assert (record.operations, record.artifacts, record.dump) == ((), "", "")


def test_a_program_that_raises(tmp_path: Path) -> None:
    record = run_one(tmp_path, "raise_error")
    assert record.condition is Condition.RAISED
    assert record.report["error_type"] == "KeyError"
    assert record.report["error"] == "'no such session'"
    frames = [line for line in record.report["traceback"].splitlines() if "File" in line]
    assert len(frames) == 1
    assert frames[0].endswith("in raise_error")
    assert phases(record) == [
        ("MainThread", "begin", "session.append"),
        ("MainThread", "error", "session.append"),
    ]


def test_a_report_that_is_no_json(tmp_path: Path) -> None:
    record = run_one(tmp_path, "report_nonsense")
    assert record.condition is Condition.RAISED
    assert record.report["error_type"] == "TypeError"
    assert "not JSON serializable" in record.report["error"]


@pytest.mark.parametrize(
    ("code", "exit_code", "said"), [(None, 0, ""), (3, 3, ""), ("no more", 1, "no more\n")]
)
def test_sys_exit(tmp_path: Path, code: object, exit_code: int, said: str) -> None:
    record = run_one(tmp_path, "exit_by_exception", {"code": code})
    assert (record.condition, record.exit_code, record.signal) == (
        Condition.EXITED,
        exit_code,
        None,
    )
    assert record.stderr_tail == said


def test_os_exit(tmp_path: Path) -> None:
    record = run_one(tmp_path, "exit_at_once")
    assert (record.condition, record.exit_code, record.signal) == (Condition.EXITED, 3, None)
    assert record.stdout_tail == "said before the end\n"
    assert phases(record) == [("MainThread", "begin", "leave")]


def test_exit_in_a_thread_ends_the_thread_only(tmp_path: Path) -> None:
    record = run_one(tmp_path, "exit_in_thread")
    assert (record.condition, record.report) == (Condition.FINISHED, {"alive": True})


def test_os_exit_in_a_thread(tmp_path: Path) -> None:
    record = run_one(tmp_path, "exit_at_once_in_thread")
    assert (record.condition, record.exit_code) == (Condition.EXITED, 4)


def test_abort(tmp_path: Path) -> None:
    record = run_one(tmp_path, "abort")
    assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGABRT)
    assert record.exit_code is None
    assert current(record).frames[0].function == "abort"
    assert [frame.function for frame in current(record).frames] == ["abort"]
    assert phases(record) == [("MainThread", "begin", "abort")]
    assert "Fatal Python error: Aborted" in record.dump


def test_sigkill_leaves_the_flight_recorder(tmp_path: Path) -> None:
    record = run_one(tmp_path, "kill_itself")
    assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGKILL)
    assert record.threads == ()
    assert phases(record) == [("MainThread", "begin", "kill")]


def test_connection_closed_in_use_crashes_the_interpreter(tmp_path: Path) -> None:
    records = run_many(tmp_path, "close_connection_in_use", [{}] * 3, trial_timeout_s=10)
    crashed = [record for record in records if record.condition is Condition.CRASHED]
    assert {record.condition for record in records} <= {Condition.CRASHED, Condition.HUNG}
    assert crashed
    for record in crashed:
        assert record.signal in FATAL
        assert current(record).thread in {"executes", "MainThread"}
        assert current(record).frames[0].function in {"execute", "close_connection_in_use"}
        assert {("executes", "begin", "execute"), ("MainThread", "begin", "close")} <= set(
            phases(record)
        )


def test_shared_cursor_crashes_the_interpreter(tmp_path: Path) -> None:
    records = run_many(tmp_path, "share_cursor", [{}] * 6, trial_timeout_s=10)
    crashed = [record for record in records if record.condition is Condition.CRASHED]
    assert {record.condition for record in records} <= {Condition.CRASHED, Condition.HUNG}
    # Measured: in 1 of 15 the dump breaks off, since the other threads run on below it.
    told = [record for record in crashed if not record.note]
    assert told
    for record in told:
        assert record.signal in FATAL
        assert current(record).thread.startswith("worker ")
        assert "use_cursor" in {frame.function for frame in current(record).frames}
    for record in crashed:
        assert {op.name for op in record.operations} == {"cursor.execute"}


@pytest.mark.skipif(
    sys.version_info[:3] not in {(3, 11, 7), (3, 12, 1), (3, 13, 0)},
    reason="this crash is known of CPython 3.11.7, 3.12.1 and 3.13.0 and fixed in later releases",
)
def test_print_while_redirect_ends_crashes_the_interpreter(tmp_path: Path) -> None:
    record = run_one(tmp_path, "print_while_redirect_ends")
    assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGSEGV)
    assert current(record).thread == "prints"
    assert current(record).frames[0].function == "print_line"
    assert phases(record) == [("prints", "begin", "print")]


def test_a_call_that_holds_the_gil_for_ever(tmp_path: Path) -> None:
    record = run_one(tmp_path, "hold_gil", trial_timeout_s=HANG_TIMEOUT_S)
    assert (record.condition, record.signal) == (Condition.HUNG, signal.SIGKILL)
    assert record.duration_s >= HANG_TIMEOUT_S
    assert innermost(record) == {"MainThread": "consume_for_ever"}
    assert not any(stack.current for stack in record.threads)
    assert phases(record) == [("MainThread", "begin", "hold the GIL")]


def test_a_hang_that_ignores_the_first_signal(tmp_path: Path) -> None:
    record = run_one(tmp_path, "ignore_dump_signal", trial_timeout_s=HANG_TIMEOUT_S)
    assert (record.condition, record.signal) == (Condition.HUNG, signal.SIGABRT)
    assert innermost(record) == {"MainThread": "consume_for_ever"}


def test_a_stopped_process(tmp_path: Path) -> None:
    record = run_one(tmp_path, "stop_itself", trial_timeout_s=HANG_TIMEOUT_S)
    assert record.condition is Condition.HUNG
    assert set(innermost(record)) == {"MainThread"}


def test_a_deadlock(tmp_path: Path) -> None:
    record = run_one(tmp_path, "deadlock", trial_timeout_s=HANG_TIMEOUT_S)
    assert (record.condition, record.signal) == (Condition.HUNG, signal.SIGKILL)
    functions = innermost(record)
    assert functions["ann"] == "take_first_then_second"
    assert functions["bob"] == "take_second_then_first"
    assert len(functions) == 3
    assert sorted(phases(record)) == [
        ("ann", "begin", "first then second"),
        ("bob", "begin", "second then first"),
    ]


def test_memory_exhaustion_under_a_limit(tmp_path: Path) -> None:
    record = run_one(tmp_path, "exhaust_memory", memory_limit_mib=192)
    assert record.condition is Condition.RAISED
    assert record.report["error_type"] == "MemoryError"
    assert phases(record)[-1] == ("MainThread", "error", "allocate")


def test_runaway_recursion(tmp_path: Path) -> None:
    record = run_one(tmp_path, "recurse")
    assert record.condition is Condition.RAISED
    assert record.report["error_type"] == "RecursionError"
    assert "[Previous line repeated" in record.report["traceback"]


def test_c_stack_overflow(tmp_path: Path) -> None:
    record = run_one(tmp_path, "overflow_c_stack")
    assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGSEGV)
    assert current(record).frames[0].function == "hash_deep"
    assert phases(record) == [("MainThread", "begin", "overflow")]


def test_grandchildren_do_not_outlive_a_trial_that_finished(tmp_path: Path) -> None:
    record = run_one(tmp_path, "leave_grandchildren")
    assert record.condition is Condition.FINISHED
    assert len(record.report["processes"]) == 2
    assert not [process for process in record.report["processes"] if exists(process)]


def test_grandchildren_do_not_outlive_a_trial_that_hung(tmp_path: Path) -> None:
    told = tmp_path / "told"
    payload = {"then": "hang", "tell": str(told)}
    record = run_one(tmp_path, "leave_grandchildren", payload, trial_timeout_s=HANG_TIMEOUT_S)
    assert record.condition is Condition.HUNG
    assert not [process for process in map(int, told.read_text().split()) if exists(process)]


def test_a_fork_that_leaves_the_program_reports_nothing(tmp_path: Path) -> None:
    record = run_one(tmp_path, "fork_and_return")
    assert (record.condition, record.report) == (Condition.FINISHED, {"is_parent": True})


@pytest.mark.parametrize("program", ["close_streams", "close_everything"])
def test_closed_descriptors(tmp_path: Path, program: str) -> None:
    record = run_one(tmp_path, program)
    assert (record.condition, record.report) == (Condition.FINISHED, {"closed": True})


def test_megabytes_of_output(tmp_path: Path) -> None:
    record = run_one(tmp_path, "print_much", {"then": "abort"})
    assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGABRT)
    assert len(record.stdout_tail) == len(record.stderr_tail) == 8192
    assert record.stdout_tail.endswith("line 039999 " + "x" * 100 + "\n")
    assert record.stderr_tail.endswith("error 039999\n")
    # The whole of it is among the artifacts.
    assert (Path(record.artifacts) / "stdout.txt").stat().st_size == 40_000 * 113


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    record = run_one(tmp_path, "fill_disk")
    assert (record.condition, record.exit_code, record.report) == (Condition.EXITED, 1, {})


def test_output_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "OUTPUT_BYTES_MAX", 10)
    path = tmp_path / "stdout.txt"
    with path.open("ab", buffering=0) as file:
        file.write(b"x" * 10)
        host._trim(path)
        assert path.stat().st_size == 10
        file.write(b"x")
        host._trim(path)
        file.write(b"later")
    assert path.read_bytes() == b"later"
    host._trim(tmp_path / "missing")
