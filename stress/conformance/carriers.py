"""What is asked of every carrier, clause by clause, in executions of small programs."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stress.engine.carriers import Carrier
from stress.engine.context import context
from stress.engine.outcome import Ending, Outcome
from stress.engine.session import Session, session
from stress.strategies.random_walk import RandomWalk

_MANY, _DEPTH = 200, 400


def check_carrier(make: Callable[[], Carrier]) -> None:
    """Check a carrier; `make` gives a fresh one. Raises AssertionError.

    Call it on the main thread of a process that has no other thread which begins or ends meanwhile.
    """
    before = sorted(sys._current_frames())
    _check_units(make())
    clauses: tuple[Callable[[Session], None], ...] = (
        _check_contexts, _check_exceptions, _check_recursion, _check_nested, _check_many,
        _check_unwinding,
    )  # fmt: skip
    for clause in clauses:
        with session(make) as opened:
            clause(opened)
    _check_stuck(make)
    left = set(sys._current_frames()) - set(before)
    assert not left, f"{len(left)} threads are left after close()"


def _check_units(carrier: Carrier) -> None:
    """The turn goes where it is handed; a unit whose job is over serves again."""
    order: list[str] = []
    units: list[Any] = []

    def second() -> Any:
        order.append("second")
        return first_unit

    def first() -> Any:
        order.append("first")
        units.append(carrier.unit(second))
        assert order == ["first"], "a job runs before its unit is switched to"
        units[0].switch()
        order.append("first again")
        units.append(carrier.unit(third))
        units[1].switch()
        order.append("first at last")
        return carrier.home

    def third() -> Any:
        order.append("third")
        return first_unit

    try:
        first_unit = carrier.first(first)
        carrier.run(first_unit)
        wanted = ["first", "second", "first again", "third", "first at last"]
        assert order == wanted, f"the turn went {order}, and was handed {wanted}"
        assert units[0] is units[1], "a unit whose job is over is not used again"
        unused = carrier.unit(second)
        carrier.forget(unused)
        assert carrier.unit(third) is unused, "a unit that was taken back is not used again"
        carrier.forget(unused)
    finally:
        carrier.close()


def _executed(opened: Session, program: Callable[[], object], executions: int = 3) -> list[Outcome]:
    walk = RandomWalk(1)
    found = []
    for number in range(executions):
        walk.begin(number)
        found.append(opened.execute(program, walk.choose, seed=1))
    return found


def _finished(opened: Session, program: Callable[[], object], what: str) -> None:
    for outcome in _executed(opened, program):
        told = [repr(failure.error) for failure in outcome.failures]
        assert not told, f"{what}: {', '.join(told)}"
        assert outcome.ending is Ending.FINISHED, f"{what}: it ended in a {outcome.ending.value}"
        assert not outcome.stuck, f"{what}: tasks {outcome.stuck} could not be ended"


def _together(works: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _check_contexts(opened: Session) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=-1)
    lock_of: list[Any] = []

    def program() -> None:
        lock_of[:] = [threading.Lock()]

        def work(number: int) -> None:
            assert variable.get() == -1, "a task finds a context variable of another one"
            variable.set(number)
            for _ in range(3):
                with lock_of[0]:
                    assert variable.get() == number, "a context variable changed in a switch"

        _together([lambda number=number: work(number) for number in range(3)])  # type: ignore[misc]
        assert variable.get() == -1, "the first task finds a context variable of another one"

    _finished(opened, program, "context variables")


def _check_exceptions(opened: Session) -> None:
    def program() -> None:
        lock = threading.Lock()

        def handle() -> None:
            try:
                raise LookupError("handled")
            except LookupError as error:
                with lock:
                    pass
                kept = sys.exception() is error
                assert kept, "the exception in hand changed in a switch"

        def look() -> None:
            for _ in range(3):
                with lock:
                    assert sys.exception() is None, "a task has the exception of another in hand"

        def fail() -> None:
            with lock:
                raise ZeroDivisionError("of the task")

        _together([handle, look, fail])

    for outcome in _executed(opened, program, 10):
        told = [repr(failure.error) for failure in outcome.failures]
        assert told == ["ZeroDivisionError('of the task')"], (
            f"exceptions: one task raises ZeroDivisionError, and there came {told}"
        )


def _check_recursion(opened: Session) -> None:
    def program() -> None:
        lock = threading.Lock()

        def down(depth: int) -> int:
            if depth == _DEPTH:
                with lock:
                    return 0
            return 1 + down(depth + 1)

        def for_ever() -> None:
            for_ever()

        def work() -> None:
            assert down(0) == _DEPTH
            try:
                for_ever()
            except RecursionError:
                pass
            assert down(0) == _DEPTH

        _together([work, work])

    _finished(opened, program, "deep recursion")


def _check_nested(opened: Session) -> None:
    def program() -> None:
        ended: list[int] = []

        def work(depth: int) -> None:
            if depth:
                _together([lambda: work(depth - 1)] * 2)
            ended.append(depth)

        work(3)
        assert len(ended) == 15, f"of 15 tasks that start tasks {len(ended)} came to their end"

    _finished(opened, program, "tasks that start tasks")


def _check_many(opened: Session) -> None:
    def program() -> None:
        ended: list[int] = []
        everybody = threading.Barrier(_MANY)

        def work() -> None:
            everybody.wait()
            ended.append(1)

        _together([work] * _MANY)
        assert len(ended) == _MANY, f"of {_MANY} tasks {len(ended)} came to their end"

    _finished(opened, program, f"{_MANY} tasks")


def _check_unwinding(opened: Session) -> None:
    """A deadlock: every task is ended, through whatever it has open."""
    told: list[str] = []

    @contextmanager
    def noted(what: str) -> Iterator[None]:
        try:
            yield
        finally:
            told.append(what)

    def program() -> None:
        lock = threading.Lock()
        lock.acquire()

        def bare() -> None:
            try:
                lock.acquire()
            except:  # noqa: E722
                told.append("except")
            lock.acquire()

        def final() -> None:
            try:
                lock.acquire()
            finally:
                told.append("finally")

        def manager() -> None:
            with noted("with"):
                lock.acquire()

        def items() -> Iterator[None]:
            try:
                yield
                lock.acquire()
                yield
            finally:
                told.append("generator")

        def generator() -> None:
            for _ in items():
                pass

        _together([bare, final, manager, generator])

    wanted = ["except", "finally", "generator", "with"]
    for _ in range(3):
        told.clear()
        (outcome,) = _executed(opened, program, 1)
        assert outcome.ending is Ending.DEADLOCK, f"a deadlock ended {outcome.ending.value}"
        assert sorted(told) == wanted, f"unwinding came through {sorted(told)}, not {wanted}"
        assert not outcome.stuck, f"unwinding: tasks {outcome.stuck} could not be ended"


def _check_stuck(make: Callable[[], Carrier]) -> None:
    """A task that does not let itself be ended is told of, and keeps nobody waiting."""
    released: list[int] = []
    units: list[Any] = []

    def program() -> None:
        lock = threading.Lock()
        lock.acquire()

        def for_ever() -> None:
            execution = context.execution
            assert execution is not None
            assert execution.current is not None
            units.append(execution.current.unit)
            while not released:
                try:
                    lock.acquire()
                except BaseException:
                    pass

        _together([for_ever])

    with session(make) as opened:
        (outcome,) = _executed(opened, program, 1)
        assert outcome.stuck == (1,), f"task 1 cannot be ended; told of were {outcome.stuck}"
        released.append(1)
        gate = getattr(units[0], "gate", None)
        if gate is not None:
            # So that its thread ends: the execution is over, and it may.
            gate.release()
            while units[0].ident in sys._current_frames():
                pass
