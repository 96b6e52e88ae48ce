"""Leaks of threads, exceptions, files and sockets; of locks see `test_detection.py`."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from stress import FindingKind, Verdict, explore, replay, shrink


class Left:
    """What programs leave behind, and what they do not."""

    box: ClassVar[list[int]] = [0]

    @classmethod
    def add(cls) -> None:
        cls.box[0] += 1

    @classmethod
    def fail(cls) -> None:
        cls.box[0] -= 1
        raise LookupError("no such box")

    @classmethod
    def thread_that_goes_on(cls) -> None:
        threading.Thread(target=cls.add).start()

    @classmethod
    def timer_that_goes_on(cls) -> None:
        threading.Timer(1, cls.add).start()

    @classmethod
    def thread_beside_one_that_is_joined(cls) -> None:
        one, other = (threading.Thread(target=work) for work in (cls.add, int))
        one.start()
        other.start()
        other.join()

    @classmethod
    def threads_that_are_joined(cls) -> None:
        one, other = (threading.Thread(target=work) for work in (cls.add, int))
        one.start()
        other.start()
        one.join()
        other.join()

    @classmethod
    def daemon(cls) -> None:
        for work in (cls.add, int):
            threading.Thread(target=work, daemon=True).start()

    @classmethod
    def pool_that_its_exit_waits_for(cls) -> None:
        pool = ThreadPoolExecutor(2)
        pool.submit(cls.add)
        pool.submit(int)

    @classmethod
    def nobody_asks_the_pool(cls) -> None:
        with ThreadPoolExecutor(2) as pool:
            pool.submit(int)
            pool.submit(cls.fail)

    @classmethod
    def nobody_asks_the_future(cls) -> None:
        future: Future[int] = Future()
        threads = [
            threading.Thread(target=future.set_exception, args=(LookupError("no such box"),)),
            threading.Thread(target=future.done),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @classmethod
    def somebody_asks(cls, ask: Callable[[Future[None]], object]) -> None:
        with ThreadPoolExecutor(2) as pool:
            future = pool.submit(cls.fail)
            pool.submit(int)
        with suppress(LookupError):
            ask(future)


ASKED: Sequence[Callable[[Future[None]], object]] = (
    Future.result,
    Future.exception,
    lambda future: future.add_done_callback(repr),
    lambda future: [one.exception() for one in as_completed([future])],
)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (Left.thread_that_goes_on, "leak of a thread: task 1 goes on in Left.add ("),
        (Left.timer_that_goes_on, "leak of a thread: task 1 goes on in Left.add ("),
        (Left.thread_beside_one_that_is_joined, "leak of a thread: task 1 goes on in Left.add ("),
        (
            Left.nobody_asks_the_pool,
            "lost exception: task 1 gives LookupError: no such box at tests/stress/detect/test_le",
        ),
        (
            Left.nobody_asks_the_future,
            "lost exception: task 1 gives LookupError: no such box to a future, and nobody asks",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_left_is_told_and_replayed(program: Callable[[], None], message: str) -> None:
    found = explore(program, detectors=["leaks"], targets=[__name__], executions=200)
    (finding,) = found.findings
    assert finding.kind is FindingKind.LEAK
    assert finding.message.startswith(message), finding.message
    again = replay(program, finding, targets=[__name__])
    assert again.findings[0].fingerprint == finding.fingerprint


@pytest.mark.parametrize(
    "program",
    [
        Left.threads_that_are_joined, Left.daemon, Left.pool_that_its_exit_waits_for,
        *(partial(Left.somebody_asks, ask) for ask in ASKED),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_what_is_waited_for_and_asked_is_no_leak(program: Callable[[], None]) -> None:
    found = explore(program, detectors=["leaks"], targets=[__name__], executions=200)
    assert found.verdict is Verdict.HOLDS, (found.reason, [f.message for f in found.findings])


def read_and_forgotten() -> None:
    Path(__file__).open().read(1)  # noqa: SIM115


def read_and_closed() -> None:
    file = Path(__file__).open()  # noqa: SIM115
    file.read(1)
    file.close()


def read_by_with() -> None:
    with Path(__file__).open() as file:
        file.read(1)


def made_and_forgotten() -> None:
    socket.socket()


def made_and_closed() -> None:
    socket.socket().close()


def in_two_threads(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("work", "what"),
    [(read_and_forgotten, "unclosed file"), (made_and_forgotten, "unclosed socket.socket")],
)
def test_what_is_not_closed_is_told_and_replayed(work: Callable[[], None], what: str) -> None:
    program = partial(in_two_threads, work)
    found = explore(program, detectors=["leaks"], targets=[__name__], executions=50)
    (finding,) = found.findings
    assert finding.kind is FindingKind.LEAK
    file = "tests/stress/detect/test_leaks.py"
    assert finding.place == f"{what} in {file}:{work.__name__}"
    assert finding.details["remedy"] == "open it by `with`, or close it"
    again = replay(program, finding, targets=[__name__])
    assert again.findings[0].fingerprint == finding.fingerprint
    smaller = shrink(program, finding, targets=[__name__])
    assert smaller.fingerprint == finding.fingerprint


@pytest.mark.parametrize("work", [read_and_closed, read_by_with, made_and_closed])
def test_what_is_closed_is_no_leak(work: Callable[[], None]) -> None:
    program = partial(in_two_threads, work)
    found = explore(program, detectors=["leaks"], targets=[__name__], executions=50)
    assert found.verdict is Verdict.HOLDS, (found.reason, [f.message for f in found.findings])


def test_other_warnings_are_heard_as_ever() -> None:
    def warn() -> None:
        warnings.warn("it is old", DeprecationWarning, stacklevel=1)

    filters = warnings.filters[:]
    with pytest.warns(DeprecationWarning, match="it is old"):
        explore(
            partial(in_two_threads, warn), detectors=["leaks"], targets=[__name__], executions=2
        )
    assert warnings.filters == filters


def test_of_what_is_unwound_nothing_is_told() -> None:
    """A deadlock: what the tasks had open they would have closed."""
    one, other = threading.Lock(), threading.Lock()

    def work(first: threading.Lock, second: threading.Lock) -> None:
        file = Path(__file__).open()  # noqa: SIM115
        with first, second:
            file.read(1)
        file.close()

    def program() -> None:
        threads = [
            threading.Thread(target=work, args=locks) for locks in ((one, other), (other, one))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = explore(program, detectors=["leaks"], targets=[__name__], stop_on_first=False)
    assert {finding.kind for finding in found.findings} == {FindingKind.DEADLOCK}
