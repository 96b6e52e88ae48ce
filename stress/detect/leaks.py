"""Leaks: what an execution leaves behind.

Locks that are never given back: whoever takes one next waits for ever; in the execution that is
looked at nobody did. Threads that go on when the program has returned: nobody waits for what they
do. And exceptions that a future was given, and that nobody asked it for. Of an execution that did
not come to its end nothing is told: there things are left for other reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stress.detect.accesses import library_calls_of
from stress.detect.library import ASKS
from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site


def leaks(trace: Trace) -> Sequence[Suspicion]:
    """What is left when everybody has ended, each place in the source once."""
    if not trace.ended:
        return ()
    return (*_locks(trace), *_threads(trace), *_exceptions(trace))


def _locks(trace: Trace) -> Iterator[Suspicion]:
    seen: set[tuple[int, Site | None]] = set()
    for task, held in trace.left.items():
        for lock in held:
            before = _last_in_program(trace, task, lock.step, anywhere=True)
            mark = lock.lock, None if before is None else trace.steps[before].site
            if mark in seen:
                continue
            seen.add(mark)
            yield _leak(
                f"{{lock:{lock.step}}}",
                lock.step,
                f"leak of {{what}}: task {task} takes it in {{0}}, and has ended without giving it "
                "back",
                "take it by `with`, or give it back in a `finally`",
            )


def _threads(trace: Trace) -> Iterator[Suspicion]:
    """Threads that do something in the program after the last step of the first task."""
    steps = trace.steps
    end = next((n for n in range(len(steps) - 1, -1, -1) if not steps[n].task), -1)
    seen: set[int] = set()
    for number in range(end + 1, len(steps)):
        step = steps[number]
        if step.site.function and not step.daemon and step.task not in seen:
            seen.add(step.task)
            yield _leak(
                "thread",
                number,
                f"leak of a thread: task {step.task} goes on in {{0}} when the program has "
                "returned, which did not wait for it",
                "join the thread, or leave its pool by `with`",
            )


def _exceptions(trace: Trace) -> Iterator[Suspicion]:
    """Nothing says what went wrong where nobody asks: a thread of a pool tells nobody."""
    given: dict[int, int] = {}
    asked: set[int] = set()
    for number in library_calls_of(trace):
        step = trace.steps[number]
        if step.through is not None and step.through.name == "set_exception":
            given.setdefault(step.subject, number)
        elif step.through is not None and step.through.name in ASKS:
            asked.add(step.subject)
    for future, number in given.items():
        if future not in asked:
            step = trace.steps[number]
            before = _last_in_program(trace, step.task, number)
            yield _leak(
                step.key.partition(":")[0].partition(" at ")[0] or "exception",
                number if before is None else before,
                f"lost exception: task {step.task} gives {step.key or 'an exception'} to a future, "
                "and nobody asks for it",
                "ask each future for its `result()`",
            )


def _last_in_program(trace: Trace, task: int, end: int, *, anywhere: bool = False) -> int | None:
    """The last step of a task before that one, in the program or anywhere."""
    for number in range(end - 1, -1, -1):
        step = trace.steps[number]
        if step.task == task and (anywhere or step.site.function):
            return number
    return None


def _leak(what: str, step: int, message: str, remedy: str) -> Suspicion:
    return Suspicion(
        kind=FindingKind.LEAK,
        grade=Grade.TORN,
        what=what,
        steps=(step,),
        message=message,
        remedy=remedy,
    )
