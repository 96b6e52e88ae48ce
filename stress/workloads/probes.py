"""Probes: wrap a few seams of Hermes so that oracles see what no result tells.

Each probe calls the wrapped function and notes what happened; none changes an argument, a result
or an exception. The wrapped functions are hooks too: the flight recorder and the noise get a say
at each of them. Probes go on after a mutant and come off before it.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from hermes.agent import AIAgent
from hermes.safe_stdio import _SafeWriter
from hermes.state import SessionDB
from stress.oracles.delegation import Built, ModelCall
from stress.trial import Recorder
from stress.workloads.family import Observations

_STORE_METHODS = ("create_session", "append_message", "get_messages", "search_messages")


@contextmanager
def observe(observations: Observations, recorder: Recorder) -> Iterator[None]:
    """Put every probe in place for the length of the block."""
    with ExitStack() as stack:
        construct = _constructor(AIAgent.__init__, observations, recorder)
        stack.enter_context(mock.patch.object(AIAgent, "__init__", construct))
        interrupt = _interrupt(AIAgent.interrupt, observations, recorder)
        stack.enter_context(mock.patch.object(AIAgent, "interrupt", interrupt))
        call = _model_call(AIAgent._interruptible_api_call, observations, recorder)
        stack.enter_context(mock.patch.object(AIAgent, "_interruptible_api_call", call))
        for name in _STORE_METHODS:
            wrapped = _recorded(getattr(SessionDB, name), f"SessionDB.{name}", recorder)
            stack.enter_context(mock.patch.object(SessionDB, name, wrapped))
        stack.enter_context(mock.patch.object(threading, "excepthook", _uncaught(observations)))
        yield


def _constructor(
    construct: Callable[..., None], observations: Observations, recorder: Recorder
) -> Callable[..., None]:
    @functools.wraps(construct)
    def probe(self: Any, *args: Any, **kwargs: Any) -> None:
        with recorder.operation(-1, "AIAgent.__init__"):
            construct(self, *args, **kwargs)
        parent = str(kwargs.get("parent_session_id") or "")
        thread = threading.current_thread().name
        observations.built.append(Built(self.session_id, parent, thread, time.monotonic_ns()))

    return probe


def _interrupt(
    interrupt: Callable[..., None], observations: Observations, recorder: Recorder
) -> Callable[..., None]:
    @functools.wraps(interrupt)
    def probe(self: Any, *args: Any, **kwargs: Any) -> None:
        observations.interrupted.append(self.session_id)
        with recorder.operation(-1, "AIAgent.interrupt"):
            interrupt(self, *args, **kwargs)

    return probe


def _model_call(
    call: Callable[..., Any], observations: Observations, recorder: Recorder
) -> Callable[..., Any]:
    @functools.wraps(call)
    def probe(self: Any, *args: Any, **kwargs: Any) -> Any:
        observations.model_calls.append(ModelCall(self.session_id, time.monotonic_ns()))
        with recorder.operation(-1, "AIAgent._interruptible_api_call"):
            return call(self, *args, **kwargs)

    return probe


def _recorded(method: Callable[..., Any], name: str, recorder: Recorder) -> Callable[..., Any]:
    @functools.wraps(method)
    def probe(*args: Any, **kwargs: Any) -> Any:
        with recorder.operation(-1, name):
            return method(*args, **kwargs)

    return probe


def _uncaught(observations: Observations) -> Callable[[Any], None]:
    def hook(arguments: Any) -> None:
        thread = arguments.thread.name if arguments.thread else "unknown"
        error = f"{arguments.exc_type.__name__}: {arguments.exc_value}"
        place = innermost(arguments.exc_traceback)
        observations.uncaught.append((thread, place, error))
        sys.__excepthook__(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    return hook


def unwrapped(stream: Any) -> Any:
    """The stream inside any number of Hermes' own writers."""
    while isinstance(stream, _SafeWriter):
        stream = stream._inner
    return stream


def innermost(traceback: Any) -> str:
    """The innermost function of a traceback that belongs to the program, not to a library."""
    place = "unknown"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if "site-packages" not in code.co_filename and "/lib/python" not in code.co_filename:
            place = code.co_qualname
        traceback = traceback.tb_next
    return place
