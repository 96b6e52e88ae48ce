"""What is not under control is named: the verdict is unknown, or the carrier changes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from stress.engine import session
from stress.exploration import Exploration, explore
from stress.finding import Verdict
from tests.stress.engine import uncontrolled
from tests.stress.engine.carriers import CARRIERS

BOTH = pytest.mark.skipif("greenlet" not in CARRIERS, reason="it takes two carriers to change")


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, no pipe; and a standstill is noticed soon."""
    monkeypatch.setattr(session, "STALL_LIMIT_S", 1.0)
    before = threading.active_count()
    yield
    while uncontrolled.pipes:
        for descriptor in uncontrolled.pipes.pop():
            os.close(descriptor)
    assert threading.active_count() == before


def unknown(program: Callable[[], None], carrier: str) -> Exploration:
    exploration = explore(program, executions=10, carrier=carrier)
    assert exploration.findings == ()
    assert exploration.verdict is Verdict.UNKNOWN
    return exploration


@pytest.mark.parametrize(
    ("program", "first", "all_of_them"),
    [
        (
            uncontrolled.sockets,
            "socket.socket.",
            {"socket.socket.accept", "socket.socket.recv", "socket.socket.sendall"},
        ),
        (uncontrolled.child_process, "", {"subprocess.Popen", "subprocess.Popen.wait"}),
        (
            uncontrolled.event_loops,
            "asyncio.base_events.BaseEventLoop.run_forever",
            {"asyncio.base_events.BaseEventLoop.run_forever"},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@BOTH
def test_the_carrier_changes_and_the_call_is_named(
    program: Callable[[], None], first: str, all_of_them: set[str]
) -> None:
    exploration = unknown(program, "auto")
    assert exploration.reason.startswith("not under control: ")
    named = set(exploration.reason.removeprefix("not under control: ").split("; "))
    assert all_of_them <= named
    (notice,) = exploration.notices
    assert notice.startswith(f"the program calls {first}")
    assert "which needs a thread of the system: it is executed on OS threads" in notice
    assert exploration.statistics.executions == 10


@pytest.mark.parametrize("program", [uncontrolled.sockets, uncontrolled.event_loops])
def test_threads_that_were_asked_for_need_no_change(program: Callable[[], None]) -> None:
    assert unknown(program, "thread").notices == ()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_signal_handler_is_named(carrier: str) -> None:
    assert unknown(uncontrolled.signal_handler, carrier).reason == (
        "not under control: signal.signal"
    )


@BOTH
def test_greenlets_that_were_asked_for_cannot_carry_event_loops() -> None:
    assert unknown(uncontrolled.event_loops, "greenlet").reason == (
        "the program calls asyncio.base_events.BaseEventLoop.run_forever, which needs a thread of "
        "the system; choose the carrier 'thread' or 'auto'"
    )


@pytest.mark.parametrize(
    ("program", "carrier", "where"),
    [
        (uncontrolled.read_in_a_thread, "thread", "os.read in task 1"),
        (uncontrolled.read_in_the_first_task, "thread", "os.read in task 0"),
        (uncontrolled.wait_in_c, "thread", "file.read(1) in wait_in_c (uncontrolled.py:"),
        (
            uncontrolled.sleep_in_c_twice,
            "thread",
            "ctypes.CDLL(None).usleep(2_500_000) in sleep_in_c",
        ),
        (uncontrolled.read_in_the_first_task, "greenlet", "os.read(reader, 1) in read_in_the"),
        (uncontrolled.wait_in_c, "greenlet", "file.read(1) in wait_in_c (uncontrolled.py:"),
    ],
    ids=lambda value: getattr(value, "__name__", value if len(str(value)) < 9 else None),
)
def test_a_call_that_never_comes_back_is_named(
    program: Callable[[], None], carrier: str, where: str
) -> None:
    if carrier not in CARRIERS:
        pytest.skip("no greenlet here")
    reason = unknown(program, carrier).reason
    assert reason.startswith(f"no step was made for 1 s: {where}")
    assert reason.endswith(" hangs")


def test_who_waits_for_a_thread_from_before_is_no_deadlock() -> None:
    done = threading.Event()

    def outside() -> None:
        done.wait()
        uncontrolled.ended.set()

    thread = threading.Thread(target=outside, name="from-before")
    uncontrolled.outsider = thread  # type: ignore[attr-defined]
    thread.start()
    try:
        reason = unknown(uncontrolled.waits_for_an_outsider, "auto").reason
    finally:
        done.set()
        thread.join()
        del uncontrolled.outsider  # type: ignore[attr-defined]
    assert reason == (
        "not under control: threads from before (from-before); start them in the program"
    )


def test_the_calls_are_put_back() -> None:
    import selectors
    import socket
    import subprocess

    def there() -> list[object]:
        classes = (socket.socket, subprocess.Popen, selectors.EpollSelector)
        found: list[object] = [dict(vars(cls)) for cls in classes]
        return [*found, os.read, os.waitpid, sys.modules["signal"].signal]

    before = there()
    explore(uncontrolled.sockets, executions=2)
    assert there() == before
