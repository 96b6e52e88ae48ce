"""Carriers: what a task runs on, and how the turn is handed from one task to another.

A carrier gives *units*. `unit.switch()` hands the turn to a unit and returns when somebody hands
it back. Units are pooled: a fresh greenlet costs more than ten microseconds (its stack is mapped
anew), a fresh thread a hundred; a pooled one costs a switch.
"""

from __future__ import annotations

import _thread
import contextvars
from collections.abc import Callable
from typing import Any, Protocol

#: Taken before anything is replaced.
_NEW_LOCK = _thread.allocate_lock
_NEW_THREAD = _thread.start_new_thread
_IDENT = _thread.get_ident


class Unit(Protocol):
    """One flow of control. Its `job` runs when the unit is switched to for the first time.

    A job returns the unit that has the turn after it.
    """

    job: Callable[[], Any]

    ident: int
    """What the system calls the thread that it runs on."""

    @property
    def switch(self) -> Callable[[], object]:
        """Hand the turn over; returns when it comes back to the caller."""
        ...


class Carrier(Protocol):
    """Makes units. One carrier serves many executions, one at a time, until it is closed."""

    name: str

    home: Any
    """Who called `run`. Whoever finishes last hands the turn to it."""

    def first(self, job: Callable[[], Any]) -> Any:
        """The unit that `run` begins with."""
        ...

    def run(self, first: Any) -> None:
        """Give the turn to `first`, and return when it comes back to `home`."""
        ...

    def go_on(self, unit: Any) -> None:
        """The same from `home`, where an interruption has come to it, with any unit."""
        ...

    def unit(self, job: Callable[[], Any]) -> Any:
        """A unit for this job."""
        ...

    def forget(self, unit: Any) -> None:
        """Take back a unit whose job never ran."""
        ...

    running: Any
    """The unit that has the turn."""

    on_interrupt: Callable[[BaseException], None]
    """Called with a KeyboardInterrupt that comes to a task while another has the turn."""

    def close(self) -> None:
        """End what the pool holds."""
        ...


class _GreenletUnit:
    """A greenlet that runs one job after another, and begins by going back to who asked for it."""

    __slots__ = ("greenlet", "ident", "job", "switch")

    def __init__(self, carrier: GreenletCarrier, asker: Any) -> None:
        self.job: Callable[[], Any] = _no_job
        self.ident = carrier.ident
        self.greenlet = carrier.make(self._loop(carrier, asker))
        self.switch: Callable[[], object] = self.greenlet.switch

    def _loop(self, carrier: GreenletCarrier, asker: Any) -> Callable[[], None]:
        idle, back = carrier.idle, asker.switch
        del asker

        def loop() -> None:
            nonlocal back
            back()
            del back  # It may be that of a greenlet that ends before.
            while True:
                # Each job in a context of its own, as a new thread has it.
                following = contextvars.Context().run(self.job)
                self.job = _no_job
                idle.append(self)
                following.switch()

        return loop

    @property
    def frame(self) -> Any:
        """The innermost frame of a unit that waits for its turn."""
        return self.greenlet.gr_frame


class GreenletCarrier:
    """All tasks on the calling thread, each on a greenlet: a switch costs half a microsecond."""

    name = "greenlet"

    def __init__(self) -> None:
        # Imported here: on a free-threaded build the import turns the GIL on.
        import greenlet

        self._new: Callable[..., Any] = greenlet.greenlet
        self._current: Callable[[], Any] = greenlet.getcurrent
        self.idle: list[_GreenletUnit] = []
        self.home: Any = greenlet.getcurrent()
        self.running: Any = None
        self.ident = _IDENT()
        self.on_interrupt: Callable[[BaseException], None] = _raise
        self._all: list[_GreenletUnit] = []

    def make(self, loop: Callable[[], None]) -> Any:
        """A greenlet for a pooled unit."""
        return self._new(loop, self.home)

    def first(self, job: Callable[[], Any]) -> _GreenletUnit:
        return self.unit(job)

    def run(self, first: _GreenletUnit) -> None:
        self.go_on(first)

    def go_on(self, unit: _GreenletUnit) -> None:
        asked: Any = unit.switch()
        while asked:
            asked = asked.switch()

    def unit(self, job: Callable[[], Any]) -> _GreenletUnit:
        if self.idle:
            unit = self.idle.pop()
        else:
            asker = self._current()
            unit = _GreenletUnit(self, asker)
            self._all.append(unit)
            # A greenlet begins where the stack of the one that switches to it ends, and as deep in
            # recursion: at home, so that a thousand do not stand on each other's shoulders.
            if asker is self.home:
                unit.switch()
            else:
                self.home.switch(unit)
        unit.job = job
        return unit

    def forget(self, unit: _GreenletUnit) -> None:
        unit.job = _no_job
        self.idle.append(unit)

    def close(self) -> None:
        """Idle greenlets end: one that waits for its turn would keep itself alive for ever."""
        for unit in self.idle:
            if unit.greenlet:
                unit.greenlet.throw()
        self.idle.clear()
        self._all.clear()


class _ThreadUnit:
    """A thread that runs one job after another, each time its gate is opened."""

    __slots__ = ("carrier", "ended", "gate", "ident", "job")

    def __init__(self, carrier: ThreadCarrier) -> None:
        self.carrier = carrier
        self.job: Callable[[], Any] | None = _no_job
        self.gate = _NEW_LOCK()
        self.gate.acquire()
        self.ended = _NEW_LOCK()
        self.ended.acquire()
        self.ident = 0

    def switch(self) -> None:
        """Open the gate of this unit, and wait at one's own."""
        carrier = self.carrier
        caller, carrier.running = carrier.running, self
        self.gate.release()
        try:
            # Not by a call: near the limit of recursion that would fail, and two would run.
            caller.gate.acquire()
        except KeyboardInterrupt as error:
            carrier.on_interrupt(error)
            caller.wait()

    def wait(self) -> None:
        """Wait for the turn. Ctrl-C meanwhile is for who has the turn."""
        while True:
            try:
                self.gate.acquire()
                return
            except KeyboardInterrupt as error:
                self.carrier.on_interrupt(error)

    def loop(self) -> None:
        """The life of the thread: jobs, until there is None."""
        self.ident = _IDENT()
        carrier = self.carrier
        while True:
            self.gate.acquire()
            job, self.job = self.job, _no_job
            if job is None:
                self.ended.release()
                return
            following = contextvars.Context().run(job)
            job = None  # What it holds is not kept until the next one.
            if following is None:
                return  # The execution was over before its call came back.
            # Idle before the turn goes on: who has it next may already need a thread.
            carrier.idle.append(self)
            carrier.running = following
            following.gate.release()

    @property
    def frame(self) -> Any:
        """The innermost frame of a unit that waits for its turn."""
        import sys

        return sys._current_frames().get(self.ident)


class _Nobody:
    """Has the turn while every task is in a call outside of control, or waits for one."""

    __slots__ = ()

    @property
    def gate(self) -> _Nobody:
        return self

    def release(self) -> None:
        """Nobody waits there."""


NOBODY = _Nobody()


def _raise(error: BaseException) -> None:
    raise error


class ThreadCarrier:
    """Each task on a thread of the system; the first one on the thread that calls `run`."""

    name = "thread"

    def __init__(self) -> None:
        self.idle: list[_ThreadUnit] = []
        self._all: list[_ThreadUnit] = []
        self.home: Any = _ThreadUnit(self)
        self.home.ident = _IDENT()
        self.running: Any = self.home
        self.on_interrupt: Callable[[BaseException], None] = _raise

    def first(self, job: Callable[[], Any]) -> _ThreadUnit:
        self.home.job = job
        return self.home  # type: ignore[no-any-return]

    def run(self, first: _ThreadUnit) -> None:
        self.running = self.home
        assert first.job is not None
        following = contextvars.Context().run(first.job)
        if following is NOBODY:
            self.home.wait()
        elif following is not self.home:
            following.switch()

    def go_on(self, unit: _ThreadUnit) -> None:
        unit.switch()

    def unit(self, job: Callable[[], Any]) -> _ThreadUnit:
        if self.idle:
            unit = self.idle.pop()
        else:
            unit = _ThreadUnit(self)
            self._all.append(unit)
            _NEW_THREAD(unit.loop, ())
        unit.job = job
        return unit

    def forget(self, unit: _ThreadUnit) -> None:
        unit.job = _no_job
        self.idle.append(unit)

    def close(self) -> None:
        """End the idle threads. One that is stuck outside control stays; see `Outcome.stuck`."""
        for unit in self.idle:
            unit.job = None
            unit.gate.release()
            unit.ended.acquire()
        self.idle.clear()
        self._all.clear()


def _no_job() -> Any:
    raise AssertionError("a unit without a job has the turn")
