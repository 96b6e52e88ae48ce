"""The five races that Hermes once had, each put back the way it was.

Every mutant replaces functions or attributes of the fixed runtime for the length of a block; the
bodies are what stood there before the fix, cut to what makes the race.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hermes import auxiliary_client, delegate_tool
from hermes.agent import AIAgent
from hermes.interrupt import bind_interrupt, set_interrupt
from hermes.state import SessionDB
from stress.mutants.mutant import Mutant


class NullLock:
    """Looks like a lock and keeps nobody out."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Succeed at once."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def locked(self) -> bool:
        """Never."""
        return False

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exception: object) -> None:
        return None


def _after_init(cls: type, change: Callable[[Any], None]) -> Any:
    """A patch of `cls.__init__` that calls `change(instance)` when it has run."""
    construct: Callable[..., None] = cls.__init__  # type: ignore[misc]

    def constructed(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        change(self)

    return mock.patch.object(cls, "__init__", constructed)


@contextmanager
def redirect_stdout() -> Iterator[None]:
    """Race 1: each worker redirects the process-wide streams; the batch puts them back at the end.

    A writer that only `sys.stdout` refers to is freed under a `print` of another thread.
    """
    run_child = delegate_tool._run_single_child
    delegate = delegate_tool.delegate_task

    def redirected(*args: Any, **kwargs: Any) -> Any:
        sink = io.StringIO()
        with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            return run_child(*args, **kwargs)

    def restoring(*args: Any, **kwargs: Any) -> Any:
        saved = sys.stdout, sys.stderr
        try:
            return delegate(*args, **kwargs)
        finally:
            sys.stdout, sys.stderr = saved

    with (
        mock.patch.object(delegate_tool, "_run_single_child", redirected),
        mock.patch.object(delegate_tool, "delegate_task", restoring),
    ):
        yield


class _Unbuilt:
    """Stands for a child that its worker will construct."""

    def __init__(self, build: Callable[[], AIAgent]) -> None:
        self.build = build


@contextmanager
def build_in_worker() -> Iterator[None]:
    """Race 2: children, with their HTTP and TLS clients, are constructed on the workers."""
    build_child = delegate_tool._build_child_agent
    run_child = delegate_tool._run_single_child

    def postponed(*args: Any, **kwargs: Any) -> Any:
        return _Unbuilt(lambda: build_child(*args, **kwargs))

    def built_and_run(
        task_index: int, goal: str, child: Any = None, parent_agent: Any = None, **kwargs: Any
    ) -> Any:
        if isinstance(child, _Unbuilt):
            child = child.build()
        return run_child(task_index, goal, child, parent_agent, **kwargs)

    with (
        mock.patch.object(delegate_tool, "_build_child_agent", postponed),
        mock.patch.object(delegate_tool, "_run_single_child", built_and_run),
    ):
        yield


@contextmanager
def session_db_unlocked() -> Iterator[None]:
    """Race 3: the threads that share a SessionDB use its connection without a lock."""

    def unlock(database: Any) -> None:
        database._lock = NullLock()

    with _after_init(SessionDB, unlock):
        yield


@contextmanager
def children_unlocked() -> Iterator[None]:
    """Race 4: `interrupt` walks the live list of children while workers remove theirs."""

    def live(self: Any, message: str | None = None) -> None:
        self._interrupt_message = message
        self._interrupt_requested = True
        with bind_interrupt(self._tool_interrupt):
            set_interrupt(True)
        for child in self._active_children:
            with contextlib.suppress(Exception):
                child.interrupt(message)

    def unlock(agent: Any) -> None:
        agent._active_children_lock = NullLock()

    with mock.patch.object(AIAgent, "interrupt", live), _after_init(AIAgent, unlock):
        yield


@contextmanager
def client_cache_unlocked() -> Iterator[None]:
    """Race 5: callers look, build and store without a lock, and each keeps its own client."""

    def check_then_act(
        provider: str,
        model: str | None = None,
        async_mode: bool = False,
        base_url: str | None = None,
        api_key: str | None = None,
    ) -> tuple[Any, str | None]:
        key = (provider, async_mode, base_url or "", api_key or "")
        if key in cache:
            client, default = cache[key]
            return client, model or default
        client, default = auxiliary_client.resolve_provider_client(
            provider,
            model,
            async_mode,
            explicit_base_url=base_url,
            explicit_api_key=api_key,
        )
        if client is not None:
            cache[key] = client, default
        return client, model or default

    cache: dict[Any, Any] = {}
    with mock.patch.object(auxiliary_client, "_get_cached_client", check_then_act):
        yield


MUTANTS = (
    Mutant("redirect_stdout", "workers redirect the process-wide sys.stdout", redirect_stdout),
    Mutant("build_in_worker", "child agents are constructed on worker threads", build_in_worker),
    Mutant("session_db_unlocked", "SessionDB without its lock", session_db_unlocked),
    Mutant("children_unlocked", "interrupt walks the live list of children", children_unlocked),
    Mutant("client_cache_unlocked", "check-then-act client cache", client_cache_unlocked),
)
