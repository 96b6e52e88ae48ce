"""Which of CPython's tests make no sense under control, and why: all of them, by name."""

from __future__ import annotations

import sys
from dataclasses import dataclass

CHILD = "runs its program in a child process, where nothing is under control"
FORK = "forks: a child of the system has one thread, and no engine"
SIGNAL = "a signal comes from outside, and ends an execution"
CALLS_IN_C = "calls the C API with the number of a thread of the system"
LOCK_OF_THE_STATE = "looks at the lock that C releases when a thread state is gone"
MADE_IN_C = "asks of a type that it be made in C, and by its factory alone"
MODULE = "compares names of a module with where their values come from"
INTERPRETERS = "runs threads in an interpreter of their own"
OWN_RACE = "has a race of its own: a worker gives the result first, and says then that it is idle"


@dataclass(frozen=True)
class Excluded:
    """A case that is left out. `name` is class and method, where `*` stands for any text.

    `fails` is off where even to try does harm: the process would fork, hang or be interrupted.
    """

    suite: str
    name: str
    why: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (3, 99)
    fails: bool = False

    @property
    def is_here(self) -> bool:
        return self.since <= sys.version_info[:2] <= self.until


def _all(suite: str, why: str, *names: str, **more: object) -> tuple[Excluded, ...]:
    return tuple(Excluded(suite, name, why, **more) for name in names)  # type: ignore[arg-type]


EXCLUDED: tuple[Excluded, ...] = (
    *_all("thread", FORK, "TestForkInThread.test_forkinthread"),
    *_all(
        "threading",
        CHILD,
        "ThreadTests.test_finalization_shutdown",
        "ThreadTests.test_finalize_running_thread",
        "ThreadTests.test_finalize_with_trace",
        "ThreadTests.test_import_from_another_thread",
        "ThreadTests.test_join_nondaemon_on_shutdown",
        "ThreadTests.test_locals_at_exit",
        "ThreadTests.test_main_thread_during_shutdown",
        "ThreadJoinOnShutdown.test_1_join_on_shutdown",
        "ThreadJoinOnShutdown.test_4_daemon_threads",
        "ThreadingExceptionTests.test_print_exception",
        "ThreadingExceptionTests.test_print_exception_stderr_is_none_*",
        "ThreadingExceptionTests.test_recursion_limit",
        "AtexitTests.*",
    ),
    *_all("threading", CHILD, "ThreadTests.test_debug_deprecation", until=(3, 11)),
    *_all(
        "threading",
        CHILD,
        "ThreadingExceptionTests.test_print_exception_gh_102056",
        since=(3, 12),
    ),
    *_all(
        "threading",
        CHILD,
        "ThreadTests.test_start_new_thread_at_finalization",
        "ThreadJoinOnShutdown.test_thread_from_thread",
        since=(3, 13),
    ),
    *_all(
        "threading",
        CHILD,
        "ThreadTests.test_start_new_thread_at_exit",
        "MiscTestCase.test_gh112826_missing__thread__is_main_interpreter",
        since=(3, 12),
        until=(3, 12),
    ),
    *_all(
        "threading",
        FORK,
        "ThreadTests.test_dummy_thread_after_fork",
        "ThreadTests.test_is_alive_after_fork",
        "ThreadTests.test_main_thread_after_fork",
        "ThreadTests.test_main_thread_after_fork_from_nonmain_thread",
        "ThreadJoinOnShutdown.test_2_join_in_forked_process",
        "ThreadJoinOnShutdown.test_3_join_in_forked_from_thread",
        "ThreadJoinOnShutdown.test_clear_threads_states_after_fork",
        "ThreadJoinOnShutdown.test_reinit_tls_after_fork",
    ),
    *_all("threading", FORK, "ThreadTests.test_fork_at_exit", until=(3, 11)),
    *_all(
        "threading",
        FORK,
        "ThreadTests.test_main_thread_after_fork_from_dummy_thread",
        "ThreadTests.test_main_thread_after_fork_from_foreign_thread",
        since=(3, 13),
    ),
    *_all("threading", INTERPRETERS, "SubinterpThreadingTests.*"),
    *_all("threading", SIGNAL, "InterruptMainTests.*"),
    *_all("threading", CALLS_IN_C, "ThreadTests.test_PyThreadState_SetAsyncExc", fails=True),
    *_all(
        "threading",
        LOCK_OF_THE_STATE,
        "ThreadTests.test_tstate_lock",
        "ThreadTests.test_shutdown_locks",
        until=(3, 12),
        fails=True,
    ),
    *_all(
        "threading", MADE_IN_C, "ThreadTests.test_disallow_instantiation", until=(3, 12), fails=True
    ),
    *_all("threading", MODULE, "MiscTestCase.test__all__", fails=True),
    *_all(
        "futures",
        CHILD,
        "ThreadPoolShutdownTest.test_cancel_futures_wait_false",
        "ThreadPoolShutdownTest.test_hang_gh83386",
        "ThreadPoolShutdownTest.test_interpreter_shutdown",
        "ThreadPoolShutdownTest.test_submit_after_interpreter_shutdown",
    ),
    *_all("futures", SIGNAL, "ThreadPoolShutdownTest.test_hang_gh94440"),
    *_all("futures", FORK, "ThreadPoolExecutorTest.test_hang_global_shutdown_lock"),
    *_all("futures", OWN_RACE, "ThreadPoolExecutorTest.test_idle_thread_reuse", fails=True),
)
