"""Threads under control are like those of the standard library, in whatever a program can see."""

from __future__ import annotations

import _thread
import copy
import gc
import logging
import pickle
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from stress.engine.outcome import Ending, Outcome
from stress.engine.session import session
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.carriers import CARRIERS

SEEDS = range(5)
TOO_LONG = threading.TIMEOUT_MAX * 2


@pytest.fixture(params=CARRIERS)
def execute(request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], list[Outcome]]:
    """Execute a program with a few seeds; what leaves a thread fails the test."""

    def run(program: Callable[[], object]) -> list[Outcome]:
        outcomes = []
        with session(CARRIERS[request.param]) as opened:
            for seed in SEEDS:
                strategy = RandomWalk(seed)
                strategy.begin(0)
                outcome = opened.execute(program, strategy.choose, seed=seed)
                for failure in outcome.failures:
                    raise failure.error
                assert outcome.ending is Ending.FINISHED
                assert not outcome.uncontrolled
                outcomes.append(outcome)
        return outcomes

    return run


def joined(*targets: Callable[[], object]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_native_ids_differ_and_are_those_of_the_threads(execute: Any) -> None:
    def program() -> None:
        seen = {threading.get_native_id()}

        def work() -> None:
            native = threading.get_native_id()
            assert threading.current_thread().native_id == native
            seen.add(native)

        joined(work, work, work)
        assert len(seen) == 4
        thread = threading.Thread(target=work)
        assert thread.native_id is None

    execute(program)


def test_the_main_thread_can_be_joined_and_is_over_then(execute: Any) -> None:
    order: list[str] = []

    def program() -> None:
        order.clear()
        main = threading.main_thread()
        assert main is threading.current_thread()
        assert main.is_alive()

        def work() -> None:
            main.join()
            order.append("worker")
            assert not main.is_alive()

        threading.Thread(target=work).start()
        time.sleep(1)
        order.append("main")

    execute(program)
    assert order == ["main", "worker"]


def test_errors_have_the_words_of_the_real_ones(execute: Any) -> None:
    class Unmade(threading.Thread):
        def __init__(self) -> None:
            pass

    def program() -> None:
        with pytest.raises(RuntimeError, match=r"^thread\.__init__\(\) not called$"):
            Unmade().start()
        with pytest.raises(RuntimeError, match=r"^Thread\.__init__\(\) not called$"):
            Unmade().join()
        thread = threading.Thread(target=int)
        with pytest.raises(RuntimeError, match=r"^cannot join thread before it is started$"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match=r"^threads can only be started once$"):
            thread.start()
        with pytest.raises(RuntimeError, match=r"^cannot set daemon status of active thread$"):
            thread.daemon = True
        with pytest.raises(RuntimeError, match=r"^cannot join current thread$"):
            threading.current_thread().join()
        with pytest.raises(OverflowError, match=r"^timeout value is too large$"):
            thread.join(TOO_LONG)
        thread.join(-1)
        with pytest.raises(TypeError, match=r"^first arg must be callable$"):
            _thread.start_new_thread(1, ())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^2nd arg must be a tuple$"):
            _thread.start_new_thread(int, [])  # type: ignore[arg-type]

    execute(program)


def test_too_long_a_timeout_is_told(execute: Any) -> None:
    def program() -> None:
        condition, event = threading.Condition(), threading.Event()
        with condition, pytest.raises(OverflowError, match=r"^timeout value is too large$"):
            condition.wait(TOO_LONG)
        with pytest.raises(OverflowError, match=r"^timeout value is too large$"):
            event.wait(TOO_LONG)
        with pytest.raises(OverflowError, match=r"^timeout value is too large$"):
            threading.Semaphore(0).acquire(timeout=TOO_LONG)
        with pytest.raises(OverflowError):
            queue.SimpleQueue().get(timeout=TOO_LONG)

    execute(program)


def test_a_time_that_is_no_number_is_told(execute: Any) -> None:
    def program() -> None:
        nan = float("nan")
        lock = threading.Lock()
        lock.acquire()
        for wait in (time.sleep, threading.Event().wait, lambda nan: lock.acquire(timeout=nan)):
            with pytest.raises(ValueError, match="Invalid value NaN"):
                wait(nan)

    execute(program)


def test_locks_are_not_copied_and_have_no_subclass(execute: Any) -> None:
    def program() -> None:
        for made in (threading.Lock(), threading.RLock()):
            for copied in (copy.copy, copy.deepcopy, pickle.dumps):
                with pytest.raises(TypeError, match=r"cannot pickle '_thread.R?[lL]ock' object"):
                    copied(made)
        with pytest.raises(TypeError):
            threading.Lock(1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Mine", (threading.Lock,), {})
        owned: Any = type("Owned", (_thread.RLock,), {})()
        with owned, owned:
            assert owned._is_owned()

    execute(program)


def test_a_thread_that_is_over_can_be_let_go(execute: Any) -> None:
    def program() -> None:
        class Thing:
            pass

        thing = Thing()
        thread = threading.Thread(target=lambda kept: None, args=(thing,))
        given, itself = weakref.ref(thing), weakref.ref(thread)
        thread.start()
        thread.join()
        del thing, thread
        gc.collect()
        assert given() is None
        assert itself() is None

    execute(program)


def test_a_thread_started_below_threading_lets_go_what_it_was_given(execute: Any) -> None:
    def program() -> None:
        def work() -> None:
            pass

        gone = weakref.ref(work)
        _thread.start_new_thread(work, ())
        while _thread._count():
            time.sleep(1)
        del work
        gc.collect()
        assert gone() is None

    execute(program)


def test_what_leaves_a_raw_thread_comes_to_the_hook_of_the_program(execute: Any) -> None:
    def program() -> None:
        heard: list[Any] = []

        def work() -> None:
            raise KeyError("gone")

        before, sys.unraisablehook = sys.unraisablehook, heard.append
        try:
            _thread.start_new_thread(work, ())
            while _thread._count():
                time.sleep(1)
        finally:
            sys.unraisablehook = before
        (told,) = heard
        assert (told.exc_type, told.exc_value.args) == (KeyError, ("gone",))
        assert told.exc_traceback is not None
        assert told.err_msg.startswith("Exception ignored in thread started by")

    execute(program)


def test_what_leaves_a_raw_thread_is_a_failure_where_nobody_wants_to_hear_it(execute: Any) -> None:
    def program() -> None:
        _thread.start_new_thread(lambda: {}["gone"], ())
        time.sleep(1)

    with pytest.raises(KeyError, match="gone"):
        execute(program)


def test_a_dummy_thread_is_forgotten_when_its_thread_is_over(execute: Any) -> None:
    def program() -> None:
        seen: list[threading.Thread] = []
        _thread.start_new_thread(lambda: seen.append(threading.current_thread()), ())
        while _thread._count():
            time.sleep(1)
        assert type(seen[0]).__name__ == "_DummyThread"
        assert seen[0].daemon
        with pytest.raises((RuntimeError, AssertionError), match="cannot join a dummy thread"):
            seen[0].join()
        # As that Python does it: before, it stayed.
        forgets = hasattr(threading, "_DeleteDummyThreadOnDel")
        assert (seen[0] in threading.enumerate()) is not forgets

    execute(program)


def test_a_program_that_starts_threads_in_its_own_way_is_asked(execute: Any) -> None:
    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"

    def program() -> None:
        begun: list[object] = []
        real = vars(threading)[name]

        def start(*args: Any, **kwargs: Any) -> Any:
            begun.append(args)
            return real(*args, **kwargs)

        setattr(threading, name, start)
        try:
            seen: list[object] = []
            thread = threading.Thread(target=lambda: seen.append(threading.current_thread()))
            thread.start()
            thread.join()
        finally:
            setattr(threading, name, real)
        assert seen == [thread]
        assert len(begun) == 1
        assert not thread.is_alive()
        assert thread not in threading.enumerate()

    execute(program)


def test_nothing_can_be_registered_once_the_program_is_over(execute: Any) -> None:
    heard: list[str] = []

    def program() -> None:
        heard.clear()

        def late() -> None:
            with pytest.raises(RuntimeError, match=r"^can't register atexit after shutdown$"):
                threading._register_atexit(int)  # type: ignore[attr-defined]
            heard.append("late")

        threading._register_atexit(late)  # type: ignore[attr-defined]
        threading._register_atexit(heard.append, "first")  # type: ignore[attr-defined]

    execute(program)
    assert heard == ["first", "late"]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="handles came with 3.13")
def test_handles_of_3_13(execute: Any) -> None:
    low: Any = _thread

    def program() -> None:
        handle = low._ThreadHandle()
        for unstarted in (handle.join, handle._set_done):
            with pytest.raises(RuntimeError, match=r"^thread not started$"):
                unstarted()
        seen: list[int] = []
        low.start_joinable_thread(lambda: seen.append(threading.get_ident()), handle=handle)
        with pytest.raises(RuntimeError, match=r"^thread already started$"):
            low.start_joinable_thread(int, handle=handle)
        handle.join()
        assert handle.is_done()
        assert seen == [handle.ident]
        with pytest.raises(TypeError, match="must be a _ThreadHandle"):
            low.start_joinable_thread(int, handle=SimpleNamespace())

    execute(program)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="up to 3.12 the thread runs twice")
def test_two_tasks_that_start_one_thread(execute: Any) -> None:
    told: list[str] = []

    def program() -> None:
        thread = threading.Thread(target=int)

        def start() -> None:
            try:
                thread.start()
            except RuntimeError as error:
                told.append(str(error))

        joined(start, start)
        thread.join()

    execute(program)
    assert len(told) == len(SEEDS)
    assert set(told) <= {"thread already started", "threads can only be started once"}


def test_what_is_logged_by_threads_names_them(execute: Any) -> None:
    def program() -> None:
        record = logging.LogRecord("name", 1, "path", 1, "text", (), None)
        assert record.threadName == "MainThread"
        assert record.thread == threading.get_ident()

    execute(program)
