"""`threading.local` for tasks, beyond what CPython's own tests ask."""

from __future__ import annotations

import _thread
import gc
import threading
import time
import weakref
from typing import Any

import pytest

from tests.stress.engine.test_threads import execute as execute
from tests.stress.engine.test_threads import joined


def test_a_class_that_waits_while_it_fills_a_local(execute: Any) -> None:
    def program() -> None:
        class Slow(threading.local):
            def __init__(self, first: int) -> None:
                self.first = first
                time.sleep(1)
                self.second = first + 1

        shared = Slow(1)

        def work() -> None:
            shared.first += 1
            time.sleep(1)
            assert (shared.first, shared.second) == (2, 2)

        joined(work, work, work)
        assert (shared.first, shared.second) == (1, 2)

    execute(program)


def test_a_class_that_fails_is_asked_again(execute: Any) -> None:
    def program() -> None:
        class Failing(threading.local):
            tries = 0

            def __init__(self) -> None:
                Failing.tries += 1
                if Failing.tries == 2:
                    raise ValueError("not yet")
                self.value = Failing.tries

        shared = Failing()

        def work() -> None:
            with pytest.raises(ValueError, match="not yet"):
                _ = shared.value
            assert shared.value == 3

        joined(work)
        assert shared.value == 1

    execute(program)


def test_slots_are_shared_and_the_rest_is_not(execute: Any) -> None:
    def program() -> None:
        class Slotted(threading.local):
            __slots__ = ("shared",)

        local = Slotted()
        local.shared = local.own = 1

        def work() -> None:
            assert local.shared == 1
            assert not hasattr(local, "own")
            local.shared = local.own = 2

        joined(work)
        assert (local.shared, local.own) == (2, 1)

    execute(program)


def test_what_a_task_kept_is_let_go_with_it_and_with_the_local(execute: Any) -> None:
    class Thing:
        pass

    def program() -> None:
        local, kept = threading.local(), []

        def work() -> None:
            local.thing = Thing()
            kept.append(weakref.ref(local.thing))

        joined(work, work)
        assert [reference() for reference in kept] == [None, None]

        # While the task still runs, and though the local refers to itself.
        other = threading.local()
        other.thing, other.itself = Thing(), other
        gone = weakref.ref(other.thing)
        del other
        gc.collect()
        assert gone() is None

    execute(program)


def test_the_low_name_is_the_same_class(execute: Any) -> None:
    def program() -> None:
        low: Any = _thread
        assert low._local is threading.local

    execute(program)
