"""Each way a trial can end, judged: kind, message, place, and equal fingerprints of one defect."""

from __future__ import annotations

import linecache
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stress import evidence
from stress.errors import HarnessFault
from stress.finding import Finding, FindingKind, Frame, RecordedOperation, ThreadStack
from stress.judge import Origin, describe_python, judge
from stress.trial import Condition, Trial, TrialRecord

STATE = "/elsewhere/lib/python3.12/site-packages/hermes/state.py"
STANDARD = "/usr/lib/python3.11/contextlib.py"
ORIGIN = Origin(
    workload="session_writes",
    target="hermes",
    settings={"size": 1},
    python={"version": "3.11.7"},
    tool_version="0.1.0",
)


def record(condition: Condition, **members: object) -> TrialRecord:
    return TrialRecord(Trial(7, 42, {"plan": {"seed": 42}}), condition, 1.5, **members)  # type: ignore[arg-type]


def only(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1
    return findings[0]


def begin(
    time_ns: int, thread: str, step: int, name: str, phase: str = "begin"
) -> RecordedOperation:
    return RecordedOperation(time_ns, thread, step, phase, name)


def stack(thread: str, *frames: Frame, current: bool = False) -> ThreadStack:
    return ThreadStack(thread, frames, current)


def test_a_clean_trial_has_no_finding() -> None:
    assert (
        judge(record(Condition.FINISHED, report={"violations": [], "statistics": {}}), ORIGIN) == ()
    )
    assert judge(record(Condition.FINISHED), ORIGIN) == ()


def violation(
    place: str = "append_message", message: str = "row 12 is missing"
) -> dict[str, object]:
    return {
        "kind": "invariant",
        "oracle": "sessions",
        "place": place,
        "message": message,
        "details": {"row": 12},
    }


def test_every_violation_is_a_finding() -> None:
    report = {"violations": [violation(), violation("delete_session")]}
    first, second = judge(record(Condition.FINISHED, report=report), ORIGIN)
    assert first.kind is FindingKind.INVARIANT
    assert (first.oracle, first.place, first.message) == (
        "sessions",
        "append_message",
        "row 12 is missing",
    )
    assert first.details == {"row": 12}
    assert (first.seed, first.trial, first.plan) == (42, 7, {"seed": 42})
    assert first.workload == "session_writes"
    assert first.condition == "finished"
    assert first.id == f"invariant-{first.fingerprint[:12]}"
    assert first.replay_command == f"hermes-stress replay {first.id}"
    assert first.fingerprint != second.fingerprint


def test_the_message_does_not_enter_the_fingerprint() -> None:
    one = only(judge(record(Condition.FINISHED, report={"violations": [violation()]}), ORIGIN))
    other = violation(message="row 99 is missing")
    two = only(judge(record(Condition.FINISHED, report={"violations": [other]}), ORIGIN))
    assert one.fingerprint == two.fingerprint


def test_a_mutants_defect_is_never_filed_with_a_real_one() -> None:
    report = {"violations": [violation()]}
    mutated = Origin(workload="session_writes", mutant="session_db_unlocked")
    one = only(judge(record(Condition.FINISHED, report=report), ORIGIN))
    two = only(judge(record(Condition.FINISHED, report=report), mutated))
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("wrong", [{"kind": "oddity"}, {}, "text", None])
def test_a_report_that_breaks_the_contract_is_a_fault_of_the_harness(wrong: object) -> None:
    with pytest.raises(HarnessFault, match="trial 7"):
        judge(record(Condition.FINISHED, report={"violations": [wrong]}), ORIGIN)


def test_an_exception_is_placed_in_the_program_not_in_the_library() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode\n'
        "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        f'  File "{STATE}", line 10, in append_message\n    raise\n'
        f'  File "{STANDARD}", line 20, in __exit__\n'
        "sqlite3.OperationalError: database is locked\n"
    )
    report = {
        "error": "database is locked",
        "error_type": "sqlite3.OperationalError",
        "traceback": text,
    }
    finding = only(judge(record(Condition.RAISED, report=report), ORIGIN))
    assert finding.kind is FindingKind.EXCEPTION
    assert finding.message == "sqlite3.OperationalError: database is locked"
    assert finding.place == "hermes/state.py:append_message"
    assert [frame.function for frame in finding.locations] == ["__exit__", "append_message"]


def raised(error: Exception) -> TrialRecord:
    try:
        raise error
    except Exception as caught:
        report = {
            "error": str(caught),
            "error_type": type(caught).__name__,
            "traceback": traceback.format_exc(),
        }
    return record(Condition.RAISED, report=report)


def test_exceptions_are_told_apart_by_type_and_not_by_text() -> None:
    one, two, three = (
        only(judge(raised(error), ORIGIN))
        for error in (ValueError("1"), ValueError("2"), KeyError("1"))
    )
    assert one.message == "ValueError: 1"
    assert one.place.endswith("test_judge.py:raised")
    assert one.fingerprint == two.fingerprint != three.fingerprint


def test_an_exception_without_text_or_traceback() -> None:
    finding = only(
        judge(record(Condition.RAISED, report={"error_type": "MemoryError", "error": ""}), ORIGIN)
    )
    assert finding.message == "MemoryError"
    assert only(judge(record(Condition.RAISED), ORIGIN)).message == "an exception without a text"


def crash(number: int, line: int = 88, **members: object) -> TrialRecord:
    frames = (Frame(STANDARD, 5, "flush"), Frame(STATE, line, "append_message"))
    threads = (stack("main", Frame(STATE, 1, "run")), stack("actor-1", *frames, current=True))
    operations = (
        begin(1, "actor-0", 3, "session.search"),
        begin(2, "actor-1", 4, "session.append"),
    )
    return record(
        Condition.CRASHED, signal=number, threads=threads, operations=operations, **members
    )


def test_a_crash_names_signal_function_and_operation() -> None:
    finding = only(judge(crash(signal.SIGSEGV), ORIGIN))
    assert finding.kind is FindingKind.CRASH
    assert finding.message == (
        "SIGSEGV in append_message (hermes/state.py:88) during session.append"
    )
    assert finding.place == "hermes/state.py:append_message"
    assert [frame.function for frame in finding.locations] == ["flush", "append_message"]
    assert (finding.signal, finding.exit_code) == (11, None)


def test_one_defect_has_one_fingerprint_whatever_signal_it_ends_by() -> None:
    sightings = [crash(signal.SIGSEGV), crash(signal.SIGBUS, line=99), crash(signal.SIGABRT)]
    hang = record(
        Condition.HUNG,
        threads=(stack("actor-1", Frame(STATE, 90, "append_message")),),
    )
    findings = [only(judge(sighting, ORIGIN)) for sighting in [*sightings, hang]]
    assert [finding.kind for finding in findings] == [FindingKind.CRASH] * 3 + [FindingKind.HANG]
    assert len({finding.fingerprint for finding in findings}) == 1


def test_a_crash_without_a_stack_falls_back_to_the_operations() -> None:
    operations = (
        begin(1, "a", 1, "session.append"),
        begin(2, "b", 2, "session.search"),
        begin(3, "b", 2, "session.search", "end"),
        begin(4, "c", 3, "session.delete"),
    )
    finding = only(judge(record(Condition.CRASHED, signal=9, operations=operations), ORIGIN))
    assert finding.message == "SIGKILL, in flight: session.append, session.delete"
    assert finding.place == "session.delete"


def test_a_crash_whose_stack_is_lost_borrows_one_in_the_same_operation() -> None:
    operations = (
        begin(1, "a", 1, "session.append"),
        begin(2, "b", 2, "session.append"),
        begin(3, "c", 3, "session.delete"),
    )
    threads = (
        stack("a", current=True),
        stack("b", Frame(STATE, 3, "append_message")),
        stack("c", Frame(STATE, 9, "delete_session")),
    )
    members: dict[str, object] = {"signal": 11, "threads": threads, "operations": operations}
    finding = only(judge(record(Condition.CRASHED, **members), ORIGIN))
    assert finding.place == "hermes/state.py:append_message"
    assert finding.message == "SIGSEGV, in flight: session.append"
    assert finding.fingerprint == only(judge(crash(signal.SIGSEGV), ORIGIN)).fingerprint


def test_two_threads_in_one_function_can_deadlock(program: str) -> None:
    threads = (stack("a", Frame(program, 1, "twice")), stack("b", Frame(program, 1, "twice")))
    finding = only(judge(record(Condition.HUNG, threads=threads), ORIGIN))
    assert finding.message == (
        "deadlock after 1.5 s: a in twice (program.py:1) and b in twice (program.py:1) "
        "wait for locks"
    )
    assert finding.place == "program.py:twice"


def test_an_exit_without_a_report_and_a_lost_host() -> None:
    finding = only(judge(record(Condition.EXITED, exit_code=3), ORIGIN))
    assert (finding.kind, finding.message) == (FindingKind.CRASH, "exit code 3 without a report")
    lost = only(judge(record(Condition.CRASHED, note="the host was lost"), ORIGIN))
    assert lost.message == "the host was lost"
    assert only(judge(record(Condition.CRASHED, signal=250), ORIGIN)).message == "signal 250"


def snapshot(threads: dict[str, threading.Thread]) -> tuple[ThreadStack, ...]:
    frames = sys._current_frames()
    stacks = []
    for name, thread in threads.items():
        found = []
        frame = frames.get(thread.ident or 0)
        while frame is not None:
            found.append(Frame(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
            frame = frame.f_back
        stacks.append(ThreadStack(name, tuple(found)))
    return tuple(stacks)


def snapshot_when(
    threads: dict[str, threading.Thread], ready: Callable[[tuple[ThreadStack, ...]], bool]
) -> tuple[ThreadStack, ...]:
    deadline = time.monotonic() + 30
    while not ready(stacks := snapshot(threads)):
        assert time.monotonic() < deadline, stacks
        time.sleep(0.001)
    return stacks


def transfer_there(first: threading.Lock, second: threading.Lock, both: threading.Barrier) -> None:
    with first:
        both.wait(30)
        with second:
            pass


def transfer_back(first: threading.Lock, second: threading.Lock, both: threading.Barrier) -> None:
    with first:
        both.wait(30)
        second.acquire()
        second.release()


def in_transfer(stacks: tuple[ThreadStack, ...]) -> bool:
    """Whether both are past the barrier and want their second lock."""
    innermost = [stack.frames[0] for stack in stacks if stack.frames]
    lines = [linecache.getline(frame.file, frame.line).strip() for frame in innermost]
    return sorted(lines) == ["second.acquire()", "with second:"]


@contextmanager
def deadlock() -> Iterator[tuple[ThreadStack, ...]]:
    """A real deadlock of two threads, ended from outside."""
    here, there, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
    threads = {
        "there": threading.Thread(target=transfer_there, args=(here, there, both)),
        "back": threading.Thread(target=transfer_back, args=(there, here, both)),
    }
    for thread in threads.values():
        thread.start()
    try:
        yield snapshot_when(threads, in_transfer)
    finally:
        here.release()
        threads["back"].join(30)
        threads["there"].join(30)


def test_a_deadlock_names_the_two_functions_that_wait_for_locks() -> None:
    caught: list[threading.ExceptHookArgs] = []
    hook, threading.excepthook = threading.excepthook, caught.append
    try:
        with deadlock() as stacks:
            finding = only(judge(record(Condition.HUNG, threads=stacks), ORIGIN))
    finally:
        threading.excepthook = hook
    # The lock released from outside was released again by its owner: that is all that went wrong.
    assert all(args.exc_type is RuntimeError for args in caught)
    assert finding.kind is FindingKind.DEADLOCK
    assert "back in transfer_back" in finding.message
    assert "there in transfer_there" in finding.message
    assert finding.place == "test_judge.py:transfer_back + test_judge.py:transfer_there".replace(
        "test_judge.py", "tests/stress/test_judge.py"
    )
    assert all(stack.current for stack in finding.threads)


SOURCE = """\
with self._mutex:
thread.join()
event.wait(3)
while True: pass
connection.execute("...")
with open(name) as file:
with self._connection:
with closing(x), self._lock:
time.sleep(0.1)
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "program.py"
    path.write_text(SOURCE)
    return str(path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, "lock"),
        (2, "other"),
        (3, "other"),
        (4, ""),
        (5, ""),
        (6, ""),
        (7, ""),
        (8, "lock"),
        (9, "sleep"),
    ],
)
def test_what_a_thread_waits_for(program: str, line: int, expected: str) -> None:
    assert evidence.waits(stack("t", Frame(program, line, "f"))) == expected


def test_a_semaphore_counts_as_a_lock_and_an_event_does_not() -> None:
    wait = Frame("/usr/lib/python3.11/threading.py", 1, "wait")
    acquire = Frame("/usr/lib/python3.11/threading.py", 2, "acquire")
    assert evidence.waits(stack("t", wait, acquire)) == "lock"
    assert (
        evidence.waits(stack("t", wait, Frame("/usr/lib/python3.11/queue.py", 3, "get"))) == "other"
    )
    assert evidence.waits(stack("t")) == ""


def test_waiters_beside_a_busy_thread_are_a_hang_placed_at_the_oldest_busy_operation(
    program: str,
) -> None:
    pool = Frame("/usr/lib/python3.11/concurrent/futures/thread.py", 81, "_worker")
    threads = (
        stack("main", Frame(program, 2, "main")),
        stack("waiter", Frame(program, 1, "take")),
        stack("young", Frame(program, 4, "spin_young")),
        stack("old", Frame(program, 4, "spin_old")),
        stack("pool", pool),
    )
    operations = (begin(1, "old", 1, "x.spin"), begin(5, "young", 2, "x.spin"))
    finding = only(judge(record(Condition.HUNG, threads=threads, operations=operations), ORIGIN))
    assert finding.kind is FindingKind.HANG
    assert finding.message == "no end after 1.5 s: old is busy in spin_old (program.py:4)"
    assert finding.place == "program.py:spin_old"
    assert [s.thread for s in finding.threads if s.current] == ["old"]


def test_joins_alone_are_a_hang_and_idle_workers_do_not_count(program: str) -> None:
    pool = Frame("/usr/lib/python3.11/concurrent/futures/thread.py", 81, "_worker")
    threads = (stack("main", Frame(program, 2, "main")), stack("pool", pool), stack("empty"))
    finding = only(judge(record(Condition.HUNG, threads=threads), ORIGIN))
    assert finding.kind is FindingKind.HANG
    assert finding.message == "no end after 1.5 s: main waits in main (program.py:2)"


def test_a_self_deadlock_behind_idle_workers(program: str) -> None:
    threads = (stack("main", Frame(program, 2, "main")), stack("actor", Frame(program, 1, "twice")))
    finding = only(judge(record(Condition.HUNG, threads=threads), ORIGIN))
    assert finding.kind is FindingKind.DEADLOCK
    assert finding.message == (
        "deadlock after 1.5 s: actor in twice (program.py:1) waits for a lock, 1 more behind"
    )


def test_a_helper_that_sleeps_does_not_hide_a_deadlock(program: str) -> None:
    actor = stack("actor", Frame(program, 1, "twice"))
    spinner = stack("spinner", Frame(program, 9, "animate"))
    operations = (begin(1, "actor", 1, "x.twice"),)
    found = record(Condition.HUNG, threads=(actor, spinner), operations=operations)
    assert only(judge(found, ORIGIN)).kind is FindingKind.DEADLOCK
    # The same sleep inside an operation may hold the lock; so may any where nothing is known.
    both = (*operations, begin(2, "spinner", 2, "x.sleep"))
    for known in (both, ()):
        found = record(Condition.HUNG, threads=(actor, spinner), operations=known)
        finding = only(judge(found, ORIGIN))
        assert finding.kind is FindingKind.HANG
        assert "spinner is busy in animate" in finding.message


def test_a_hang_without_stacks_is_placed_at_the_oldest_operation() -> None:
    operations = (begin(1, "a", 1, "c.pause"), begin(2, "b", 2, "c.other"))
    finding = only(judge(record(Condition.HUNG, operations=operations), ORIGIN))
    assert (finding.place, finding.message) == (
        "c.pause",
        "no end after 1.5 s, in flight: c.other, c.pause",
    )


@pytest.mark.parametrize(
    ("file", "target", "expected"),
    [
        ("<frozen importlib._bootstrap>", "", True),
        ("<string>", "", False),
        ("/usr/lib/python3.11/threading.py", "", True),
        ("/x/lib/python3.13t/site-packages/openai/_client.py", "hermes", True),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "", True),
        (STATE, "", True),
        (STATE, "hermes", False),
        (STATE, "hermes.agent:main", False),
        ("/home/someone/program.py", "", False),
        (str(Path(evidence.__file__).parent / "parallel" / "host.py"), "", True),
        (str(Path(evidence.__file__).parent / "workloads" / "console.py"), "", False),
    ],
)
def test_whose_frame_it_is(file: str, target: str, expected: bool) -> None:
    assert evidence.is_library(file, target) is expected


def test_paths_lose_what_differs_between_machines() -> None:
    assert evidence.short_path(STATE) == "hermes/state.py"
    assert evidence.short_path("/usr/lib/python3.12/json/decoder.py") == "json/decoder.py"
    assert evidence.short_path("/usr/lib/python3/dist-packages/yaml/loader.py") == "yaml/loader.py"
    assert evidence.short_path("/tmp/a1b2/program.py") == "program.py"
    assert evidence.short_path("/p/.venv/lib/python3.11/site-packages/httpx/a.py") == "httpx/a.py"
    assert evidence.short_path("<string>") == "<string>"
    assert evidence.short_path(evidence.__file__) == "stress/evidence.py"


def test_comprehensions_are_passed_over() -> None:
    frames = (Frame("/p.py", 3, "<listcomp>"), Frame("/p.py", 3, "Class.method"))
    assert evidence.place_of(evidence.innermost(frames) or frames[0]) == "p.py:method"
    assert evidence.innermost(()) is None


def test_python_describes_itself() -> None:
    described = describe_python()
    assert described.keys() == {"version", "implementation", "build", "free_threaded", "platform"}
    assert described["version"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
