"""Trace and profile functions: each task has its own, and the explorer keeps what it had."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stress.engine.session import session
from stress.exploration import explore
from stress.strategies.random_walk import RandomWalk
from tests.stress.engine.carriers import CARRIERS

Program = Callable[[], None]
KINDS = ("trace", "profile")


@pytest.fixture(params=CARRIERS)
def execute(request: pytest.FixtureRequest) -> Iterator[Callable[[Program], None]]:
    with session(CARRIERS[request.param]) as opened:

        def run(program: Program) -> None:
            for seed in range(5):
                strategy = RandomWalk(seed)
                strategy.begin(0)
                for failure in opened.execute(program, strategy.choose, seed=seed).failures:
                    raise failure.error

        yield run


def names(kind: str) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    return getattr(sys, f"set{kind}"), getattr(sys, f"get{kind}")


def traced() -> None:
    """What the functions below hear of."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_hears_of_its_own_calls_alone(execute: Any, kind: str) -> None:
    def program() -> None:
        setter, getter = names(kind)
        heard: list[int] = []
        lock = threading.Lock()

        def hear(frame: Any, event: str, argument: Any) -> None:
            if event == "call" and frame.f_code is traced.__code__:
                heard.append(threading.get_ident())

        def listens() -> None:
            assert getter() is None
            setter(hear)
            assert getter() is hear
            for _ in range(3):
                with lock:
                    traced()

        def does_not() -> None:
            for _ in range(3):
                with lock:
                    traced()
            assert getter() is None

        threads = [threading.Thread(target=target) for target in (listens, does_not, does_not)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert heard == [threads[0].ident] * 3

    execute(program)


@pytest.mark.parametrize("kind", KINDS)
def test_what_threading_has_is_for_new_threads(execute: Any, kind: str) -> None:
    def program() -> None:
        _, getter = names(kind)
        heard: list[str] = []

        def hear(frame: Any, event: str, argument: Any) -> None:
            heard.append(frame.f_code.co_filename)

        getattr(threading, f"set{kind}")(hear)
        try:
            seen: list[object] = []
            thread = threading.Thread(target=lambda: (traced(), seen.append(getter())))
            thread.start()
            thread.join()
        finally:
            getattr(threading, f"set{kind}")(None)
        assert seen == [hear]
        assert __file__ in heard
        assert not [file for file in heard if "/stress/engine/" in file and file != __file__]

    execute(program)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with 3.12")
@pytest.mark.parametrize("kind", KINDS)
def test_all_tasks_at_once(execute: Any, kind: str) -> None:
    def program() -> None:
        _, getter = names(kind)
        heard: list[int] = []
        seen: list[object] = []
        begun, go_on = threading.Event(), threading.Event()

        def hear(frame: Any, event: str, argument: Any) -> None:
            if event == "call" and frame.f_code is traced.__code__:
                heard.append(threading.get_ident())

        def work() -> None:
            seen.append(getter())
            begun.set()
            go_on.wait()
            seen.append(getter())
            traced()

        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        set_all = getattr(threading, f"set{kind}_all_threads")
        set_all(hear)
        go_on.set()
        thread.join()
        set_all(None)
        assert seen == [None, hear]
        assert heard == [thread.ident]

    execute(program)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_explorer_keeps_what_it_had(carrier: str, kind: str) -> None:
    def of_the_explorer(frame: Any, event: str, argument: Any) -> None:
        pass

    def program() -> None:
        setter, getter = names(kind)
        assert getter() is of_the_explorer
        setter(lambda frame, event, argument: None)
        assert getter() is not of_the_explorer

    setter, getter = names(kind)
    before = getter()
    setter(of_the_explorer)
    try:
        with session(CARRIERS[carrier]) as opened:
            for number in range(2):
                outcome = opened.execute(program, RandomWalk(number).choose)
                assert not outcome.failures
                assert getter() is of_the_explorer
        assert getter() is of_the_explorer
    finally:
        setter(before)


def test_what_a_program_leaves_set_for_new_threads_ends_with_it() -> None:
    found: list[object] = []

    def program() -> None:
        found.append((threading.gettrace(), threading.getprofile()))
        threading.settrace(lambda *_: None)
        threading.setprofile(lambda *_: None)

    before = threading.gettrace(), threading.getprofile()
    explore(program, executions=3)
    assert found == [before] * len(found)
    assert (threading.gettrace(), threading.getprofile()) == before
