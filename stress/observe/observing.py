"""The block in which parallel execution is looked on at."""

from __future__ import annotations

import _queue
import _thread
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Any

from stress.engine.holders import Holders
from stress.engine.shadows import Shadows
from stress.instrument import Hooks, instrumented
from stress.observe.accesses import AccessLog
from stress.observe.log import Log
from stress.observe.primitives import (
    GET,
    NEW_LOCK,
    NEW_QUEUE,
    NEW_RLOCK,
    PUT,
    WAIT,
    ObservedLock,
    ObservedQueue,
    ObservedRLock,
)

_LOCK = type(NEW_LOCK())


@contextmanager
def observing(
    targets: Collection[str], program: Callable[..., object] | None, seed: int
) -> Iterator[Log]:
    """Have threads enter in the log what they do: in the functions of the targets what they touch,
    and everywhere what they synchronize by.

    Locks that were made before are looked on at as far as the targets and the program hold them.
    Everything is put back at the end. Not within itself, and not while a program is explored.
    """
    log = Log(seed)
    accesses = AccessLog(log)
    with ExitStack() as stack:
        hooks = Hooks(accesses.access, accesses.call)
        accesses.module_names = stack.enter_context(
            instrumented(targets, hooks, program)
        ).module_names
        stand_ins = [
            (NEW_LOCK, partial(ObservedLock, log)),
            (_LOCK, partial(ObservedLock, log)),
            (NEW_RLOCK, partial(ObservedRLock, log)),
            (NEW_QUEUE, partial(ObservedQueue, log)),
        ]
        shadows = Shadows(
            {id(real): stand_in for real, stand_in in stand_ins},
            {
                _LOCK: partial(ObservedLock, log),
                NEW_RLOCK: partial(ObservedRLock, log),
                NEW_QUEUE: partial(ObservedQueue, log),
            },
        )
        stack.callback(shadows.leave)
        shadows.enter(targets, program)
        for names, name, stand_in in Holders().find(stand_ins):
            if names is not vars(_thread) and names is not vars(_queue):
                stack.callback(names.__setitem__, name, names[name])
                names[name] = stand_in
        _observe_threads(log, stack)
        _observe_waits(log, stack)
        if "asyncio" in sys.modules:
            _observe_loops(log, stack)
        yield log


def _observe_threads(log: Log, stack: ExitStack) -> None:
    thread: Any = threading.Thread
    start, join, bootstrap, is_alive = (
        thread.start, thread.join, thread._bootstrap_inner, thread.is_alive,
    )  # fmt: skip
    numbers: dict[int, int] = {}

    def known(one: Any) -> int:
        return numbers.get(id(one), -1)

    @wraps(start)
    def start_observed(self: Any) -> None:
        numbers[id(self)] = log.start(self.daemon)
        start(self)

    @wraps(bootstrap)
    def bootstrap_observed(self: Any) -> None:
        number = known(self)
        log.begin(number)
        try:
            bootstrap(self)
        finally:
            log.end(number)

    @wraps(join)
    def join_observed(self: Any, timeout: float | None = None) -> None:
        join(self, timeout)
        if not is_alive(self):
            log.join(known(self))

    @wraps(is_alive)
    def is_alive_observed(self: Any) -> bool:
        alive = bool(is_alive(self))
        if not alive:
            log.join(known(self))
        return alive

    for name, function in (
        ("start", start_observed),
        ("_bootstrap_inner", bootstrap_observed),
        ("join", join_observed),
        ("is_alive", is_alive_observed),
    ):
        stack.callback(setattr, thread, name, vars(thread)[name])
        setattr(thread, name, function)


def _observe_waits(log: Log, stack: ExitStack) -> None:
    """Who waits for others has ended what it did in one go."""
    condition: Any = threading.Condition
    wait = condition.wait

    @wraps(wait)
    def wait_observed(self: Any, timeout: float | None = None) -> bool:
        log.synchronize(WAIT, self)
        return bool(wait(self, timeout))

    stack.callback(setattr, condition, "wait", wait)
    condition.wait = wait_observed


def _observe_loops(log: Log, stack: ExitStack) -> None:
    """What a thread hands to an event loop, the loop takes over."""
    from asyncio import base_events, events

    loop: Any = base_events.BaseEventLoop
    handle: Any = events.Handle
    call, run = loop.call_soon_threadsafe, handle._run

    @wraps(call)
    def call_observed(self: Any, *args: Any, **kwargs: Any) -> Any:
        log.synchronize(PUT, self)
        return call(self, *args, **kwargs)

    @wraps(run)
    def run_observed(self: Any) -> Any:
        log.synchronize(GET, self._loop)
        return run(self)

    for owner, name, function in (
        (loop, "call_soon_threadsafe", call_observed),
        (handle, "_run", run_observed),
    ):
        stack.callback(setattr, owner, name, vars(owner)[name])
        setattr(owner, name, function)
