"""Recording of a history around the operations of a real object, from several threads."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection, Iterator
from time import perf_counter_ns
from types import BuiltinFunctionType
from typing import Any, TypeVar, cast

from stress.errors import InvalidArgument
from stress.oracles.history import Call

T = TypeVar("T")

# Under control time stands still while tasks run, and says nothing about their order. Modules of
# this package keep the clock that they took, unless it was a model already when they did.
if not isinstance(perf_counter_ns, BuiltinFunctionType):
    raise InvalidArgument(
        "histories are recorded by the real clock: import stress.oracles.linearizability before "
        "the exploration, not in the explored program"
    )


class _Open:
    """A call as it goes on. `ended_ns` is set last: 0 until then."""

    __slots__ = ("actor", "arguments", "began_ns", "ended_ns", "error", "name", "result")

    def __init__(self, actor: str, name: str, arguments: dict[str, Any]) -> None:
        self.actor, self.name, self.arguments = actor, name, arguments
        self.result: Any = None
        self.error = ""
        self.began_ns = self.ended_ns = 0


class History:
    """The calls that threads make, each noted when it begins and when it ends.

    It takes no lock and has no scheduling point: threads that record do not wait for each other
    more than they did before, and a program that is explored has the same interleavings. Each
    thread is an actor, by its name; a second thread of that name gets a number.
    """

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._threads: dict[str, threading.Thread] = {}

    def call(self, name: str, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """Call `function`, note the call as `name`, and hand on what it gives or raises.

        Arguments are noted as they are: one that is changed later should be given as a copy. A
        call that is left by something that is no Exception (SystemExit, the end of an explored
        execution) stays pending.
        """
        noted = _Open(self._actor(), name, _bound(function, arguments, named))
        noted.began_ns = perf_counter_ns()
        # Appending is atomic with and without the interpreter's lock.
        self._open.append(noted)
        try:
            noted.result = function(*arguments, **named)
        except Exception as error:
            ended_ns = perf_counter_ns()
            noted.error = f"{type(error).__name__}: {error}"
            noted.ended_ns = ended_ns
            raise
        noted.ended_ns = perf_counter_ns()
        return cast(T, noted.result)

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was recorded so far, by the time of the calls; `step` counts those of an actor."""
        steps: dict[str, int] = {}
        calls = []
        for noted in sorted(self._open, key=lambda noted: noted.began_ns):
            step = steps[noted.actor] = steps.get(noted.actor, -1) + 1
            ended_ns = noted.ended_ns
            pending = not ended_ns
            calls.append(
                Call(
                    actor=noted.actor,
                    step=step,
                    name=noted.name,
                    arguments=noted.arguments,
                    result=None if pending else noted.result,
                    error="" if pending else noted.error,
                    began_ns=noted.began_ns,
                    ended_ns=ended_ns,
                    pending=pending,
                )
            )
        return tuple(calls)

    def __iter__(self) -> Iterator[Call]:
        """The calls: a history can be given wherever calls are wanted."""
        return iter(self.calls)

    def __len__(self) -> int:
        """How many calls have begun."""
        return len(self._open)

    def _actor(self) -> str:
        thread = threading.current_thread()
        name, number = thread.name, 1
        # `setdefault` is atomic with and without the interpreter's lock.
        while self._threads.setdefault(name, thread) is not thread:
            number += 1
            name = f"{thread.name} ({number})"
        return name


def recorded(subject: T, history: History, methods: Collection[str] | None = None) -> T:
    """A stand-in for `subject` that records calls of `methods`, by default all public ones.

    Everything else, attributes too, goes to `subject` itself. What `subject` calls on itself is
    not recorded: a history has the calls of the users of an object. Raises InvalidArgument where
    a method is not there.
    """
    for name in methods or ():
        if not callable(getattr(subject, name, None)):
            raise InvalidArgument(f"{type(subject).__name__} has no method {name!r} to record")
    return cast(T, _Recorded(subject, history, None if methods is None else frozenset(methods)))


class _Recorded:
    """See `recorded`. The names are long, for the names of the subject must shine through."""

    __slots__ = ("_recorded_history", "_recorded_methods", "_recorded_subject")

    def __init__(self, subject: object, history: History, methods: frozenset[str] | None) -> None:
        self._recorded_subject = subject
        self._recorded_history = history
        self._recorded_methods = methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._recorded_subject, name)
        methods = self._recorded_methods
        wanted = not name.startswith("_") if methods is None else name in methods
        if not (wanted and callable(found)):
            return found
        history = self._recorded_history

        def method(*arguments: Any, **named: Any) -> Any:
            return history.call(name, found, *arguments, **named)

        return method


def _bound(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """Arguments by the names of the parameters, in their order; by position where none are told."""
    try:
        return dict(inspect.signature(function).bind(*arguments, **named).arguments)
    except (TypeError, ValueError):
        # A builtin without a signature, or a call that `function` itself will refuse.
        return {**{str(number): value for number, value in enumerate(arguments)}, **named}
