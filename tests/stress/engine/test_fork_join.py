"""Workers of `check_threads`: they are threads in all that a program can see."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

import pytest

from stress.engine.active import Active
from stress.engine.fork_join import fork_join
from stress.exploration import Exploration, check_threads, explore, replay
from stress.finding import FindingKind, Verdict
from tests.stress.engine.carriers import CARRIERS

Seen = list[Any]


def checked(*workers: Any, invariant: Any = lambda seen: True, **options: Any) -> Exploration:
    return check_threads(list, workers, invariant, executions=20, **options)


def known(seen: Seen) -> None:
    thread = threading.current_thread()
    assert thread is threading.current_thread()
    assert threading._active[thread.ident] is thread  # type: ignore[attr-defined]
    assert thread.is_alive()
    assert not thread.daemon
    assert thread.native_id
    seen.append((thread.name, thread.ident == threading.get_ident(), hash(thread)))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_worker_has_a_thread_when_it_asks(carrier: str) -> None:
    def all_named(seen: Seen) -> bool:
        return sorted(seen) == [("known", True, 1), ("known", True, 2)]

    exploration = checked(known, known, invariant=all_named, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, exploration


@pytest.mark.parametrize("carrier", CARRIERS)
def test_all_workers_that_live_are_enumerated(carrier: str) -> None:
    def look(seen: Seen) -> None:
        seen.append(sorted(thread.name for thread in threading.enumerate()))

    def both(seen: Seen) -> bool:
        main = threading.main_thread().name
        assert [thread.name for thread in threading.enumerate()] == [main]
        assert threading.active_count() == 1
        return all(
            set(names) == {main, look.__qualname__} and len(names) in (2, 3) for names in seen
        )

    assert checked(look, look, invariant=both, carrier=carrier).verdict is Verdict.HOLDS


def fail(seen: Seen) -> None:
    seen.append(1)
    raise ValueError("a worker's own")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_leaves_a_worker_is_a_finding(carrier: str) -> None:
    exploration = checked(fail, known, carrier=carrier)
    finding = exploration.findings[0]
    assert finding.kind is FindingKind.EXCEPTION
    assert "a worker's own" in finding.message


def test_a_hook_of_the_program_hears_of_it() -> None:
    def program() -> None:
        heard: Seen = []
        before = threading.excepthook
        threading.excepthook = lambda arguments: heard.append(arguments.thread.name)
        try:
            fork_join(((fail, "one"), (fail, "two")), [])
        finally:
            threading.excepthook = before
        assert sorted(heard) == ["one", "two"]

    assert explore(program, executions=20).verdict is Verdict.HOLDS


def test_a_worker_may_leave_with_system_exit() -> None:
    def leave(seen: Seen) -> None:
        seen.append(1)
        sys.exit(3)

    assert checked(leave, leave).verdict is Verdict.HOLDS


def test_functions_for_all_new_threads_are_set_in_workers() -> None:
    def program() -> None:
        calls: Seen = []
        before = threading._trace_hook  # type: ignore[attr-defined]
        threading.settrace(lambda *_: calls.append(1))
        try:
            fork_join(((len, "one"), (fail_not, "two")), [])
        finally:
            threading.settrace(before)
        assert calls

    assert explore(program, executions=5).verdict is not Verdict.VIOLATED


def fail_not(seen: Seen) -> None:
    seen.append(1)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_waits_for_workers_is_part_of_the_cycle(carrier: str) -> None:
    def setup() -> tuple[Any, Any]:
        return threading.Lock(), threading.Lock()

    def forth(locks: tuple[Any, Any]) -> None:
        with locks[0], locks[1]:
            pass

    def back(locks: tuple[Any, Any]) -> None:
        with locks[1], locks[0]:
            pass

    exploration = check_threads(
        setup, (forth, back), lambda locks: True, executions=200, carrier=carrier
    )
    finding = exploration.findings[0]
    assert finding.kind is FindingKind.DEADLOCK
    assert "forth" in finding.message
    assert "back" in finding.message


def test_without_an_exploration_they_are_ordinary_threads() -> None:
    seen: Seen = []
    fork_join(((known_outside, "one"), (known_outside, "two")), seen)
    assert sorted(seen) == ["one", "two"]


def known_outside(seen: Seen) -> None:
    seen.append(threading.current_thread().name)


def test_an_identifier_of_nobody_is_no_thread() -> None:
    def program() -> None:
        active = threading._active  # type: ignore[attr-defined]
        fork_join(((fail_not, "one"), (fail_not, "two")), [])
        for nobody in (None, -1, 1 << 52, (1 << 52) + 7):
            assert active.get(nobody) is None
            assert nobody not in active
            with pytest.raises(KeyError):
                active[nobody]
        assert list(active) == [threading.main_thread().ident]
        assert list(active.keys()) == [ident for ident, _ in active.items()]

    assert explore(program, executions=5).verdict is Verdict.HOLDS


def test_replay_of_workers() -> None:
    exploration = checked(fail, known)
    again = replay(_same, exploration.findings[0])
    assert again.verdict is Verdict.VIOLATED


def _same() -> None:
    fork_join(((fail, "fail"), (known, "known")), [])


def test_who_refers_weakly_to_the_threads_is_told_of_their_end() -> None:
    """Also where the core is compiled: else the collector comes to what is no longer there."""
    active = Active({})
    reference = weakref.ref(active)
    del active
    assert reference() is None
