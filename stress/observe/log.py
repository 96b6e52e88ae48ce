"""The log of one parallel execution: operations of its threads, in the order in which they came.

Threads run as they like, so that each entry is one append, which is whole on every build; what it
means is worked out when all is over. An access is entered just before it is made, a lock that is
taken just after, and one that is freed just before: so what one thread leaves to another by a lock
comes in that order here too.

Sampling: at first everything is entered, and then of objects some; of those, all accesses, and of
others none any more. Which ones follows from the seed of the trial and their addresses. Locks are
entered always, or nothing could be said of the order of the rest.
LiteRace samples by code instead: Marino, Musuvathi, Narayanasamy, "LiteRace: effective sampling for
lightweight data-race detection", PLDI 2009; for the detectors here, which ask what comes between
two accesses, part of the accesses to an object is of no use.
"""

from __future__ import annotations

import _thread
import sys
import weakref
from types import FrameType
from typing import Any, NamedTuple

from stress.conflicts import NAMED
from stress.detect.library import LibraryCall, LibraryCalls
from stress.engine.locks import operation
from stress.engine.values import value_of
from stress.site import Site
from stress.steps import Step, is_in_python, told_key

#: So many entries are kept, the first ones: what begins an execution is a whole, what ends it not.
ENTRIES_MAX = 20_000
#: As long as there are not so many, everything is entered.
ENTRIES_OF_ALL = 2_000
#: Of so many objects one is sampled then; drawn for each trial.
SHARES = (1, 1, 2, 4, 16)
_FRAMES = 16
_START, _JOIN = operation("start", "Thread"), operation("join", "Thread")
Stack = tuple[tuple[Any, int], ...]


class _Token:
    """Stands for one object, as long as that lives."""

    __slots__ = ("is_sampled", "of")

    def __init__(self, of: Any, is_sampled: bool) -> None:
        self.of = of
        self.is_sampled = is_sampled


class _Entry(NamedTuple):
    task: int
    site: Site
    subject: _Token | None
    second: _Token | None
    key: str
    stack: Stack
    child: int = -1
    through: LibraryCall | None = None
    daemon: bool = False
    missing: bool = False


class Log:
    """Threads enter what they do; `steps` and `stacks` then tell it as of a controlled execution.

    Threads that were not started by `threading.Thread` since it began are not looked at.
    """

    def __init__(self, seed: int) -> None:
        self._entries: list[_Entry] = []
        self._tokens: dict[int, _Token] = {}
        self._share = SHARES[seed % len(SHARES)]
        self._salt = seed >> 3
        self._here = _thread._local()
        self._here.task = 0
        self._guard = _thread.allocate_lock()
        self._born = 0
        self._daemons: set[int] = set()
        self._library = LibraryCalls()
        self._running: set[int] = {0}
        #: Reads of what was not there, by place in `steps`.
        self.missing: set[int] = set()
        self._is_open = True

    # -- what threads enter ---------------------------------------------------------------------

    def access(
        self, site: Site, subject: Any, second: Any, key: object, frame: FrameType | None
    ) -> None:
        """A thread is about to touch something."""
        task = self._task()
        if task < 0:
            return
        token = None
        if site.kind in NAMED or not is_in_python(type(subject)):
            token = self._token(subject)
        other = None if second is None else self._token(second)
        is_sampled = (token and token.is_sampled) or (other and other.is_sampled)
        if not is_sampled and len(self._entries) >= ENTRIES_OF_ALL:
            return
        told = told_key(site, key)
        daemon = task in self._daemons
        missing = site.kind == "read" and value_of(site.kind, site.name, subject) is None
        self._entries.append(
            _Entry(task, site, token, other, told, _stack(frame), -1, None, daemon, missing)
        )

    def synchronize(self, site: Site, subject: Any) -> None:
        """A thread has taken over what others left at an object, or leaves something there."""
        task = self._task()
        if task < 0:
            return
        frame = sys._getframe(2)
        through = self._library.look(frame) if site.kind == "acquire" else None
        stack, token = _stack(frame), self._token(subject)
        self._entries.append(_Entry(task, site, token, None, "", stack, through=through))

    def start(self, daemon: bool) -> int:
        """A thread is about to start another one; gives the number of that."""
        task = self._task()
        with self._guard:
            self._born += 1
            child = self._born
        if daemon:
            self._daemons.add(child)
        self._running.add(child)
        if task >= 0:
            stack = _stack(sys._getframe(2))
            self._entries.append(_Entry(task, _START, None, None, "", stack, child=child))
        return child

    def begin(self, task: int) -> None:
        """The calling thread is that one."""
        self._here.task = task

    def end(self, task: int) -> None:
        """It is over."""
        self._running.discard(task)

    def join(self, child: int) -> None:
        """A thread has seen that another one is over."""
        task = self._task()
        if task >= 0:
            stack = _stack(sys._getframe(2))
            self._entries.append(_Entry(task, _JOIN, None, None, "", stack, child=child))

    def _task(self) -> int:
        """Who calls; -1 where that is nobody who is looked at, or there is no more room."""
        if not self._is_open or len(self._entries) >= ENTRIES_MAX:
            return -1
        task: int = getattr(self._here, "task", -1)
        return task

    def _token(self, subject: Any) -> _Token:
        known = self._tokens.get(id(subject))
        if known is not None:
            return known
        address = id(subject)
        drawn = (address >> 4) * 0x9E37_79B1 + self._salt >> 8
        of: Any = subject
        try:
            tokens = self._tokens
            of = weakref.ref(subject, lambda _: tokens.pop(address, None))
        except TypeError:
            pass  # It is held to the end: an address alone does not tell objects apart.
        return self._tokens.setdefault(address, _Token(of, drawn % self._share == 0))

    @property
    def has_ended(self) -> bool:
        """Whether all threads are over, but for the first one, and all is there that they did."""
        return self._running <= {0} and len(self._entries) < ENTRIES_MAX

    # -- what it comes to -----------------------------------------------------------------------

    def close(self) -> tuple[list[Step], list[Stack]]:
        """The steps, and where their threads stood. Nothing is entered from now on."""
        self._is_open = False
        # As they were started, in the order of the log.
        tasks = {0: 0}
        numbers: dict[int, int] = {}
        steps: list[Step] = []
        stacks: list[Stack] = []
        for entry in self._entries:
            if len(tasks) == 1 and entry.site is not _START:
                continue  # As in controlled execution: one thread alone is in nobody's way.
            if entry.task not in tasks:
                continue  # Who has started it is not known.
            if entry.child >= 0 and entry.site is _JOIN and entry.child not in tasks:
                continue
            born = len(tasks)
            if entry.site is _START:
                tasks[entry.child] = born
            if entry.missing:
                self.missing.add(len(steps))
            subject, second = (
                0 if token is None else numbers.setdefault(id(token), len(numbers) + 1)
                for token in (entry.subject, entry.second)
            )
            through = entry.through
            joins = (tasks[entry.child],) if entry.site is _JOIN else ()
            steps.append(
                Step(
                    tasks[entry.task], entry.site, subject, second, False,
                    through.error if through else entry.key, born, joins, entry.daemon,
                    through.site if through else None,
                )
            )  # fmt: skip
            stacks.append(entry.stack)
        return steps, stacks


def _stack(frame: FrameType | None) -> Stack:
    stack: list[tuple[Any, int]] = []
    while frame is not None and len(stack) < _FRAMES:
        stack.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(stack)
