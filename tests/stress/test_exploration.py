"""Controlled execution: what is found, what is clean, what is unknown, and what is left behind."""

from __future__ import annotations

import _thread
import gc
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("greenlet", reason="controlled execution needs hermes-stress[explore]")

from stress.engine.outcome import Ending, Outcome
from stress.errors import InvalidArgument, ScheduleDiverged
from stress.exploration import Exploration, explore, replay
from stress.finding import Verdict
from stress.schedule import Choice, Schedule
from stress.strategy import Pending
from tests.stress.engine import programs


def replayed(program: Callable[[], object], exploration: Exploration) -> Outcome:
    """The outcome of the finding, after it was the same a second time."""
    (failing,) = exploration.failing
    again = replay(program, failing.schedule)
    first = failing.outcome
    assert again.choices == first.choices
    assert (again.ending, again.waits, again.steps) == (first.ending, first.waits, first.steps)
    assert [repr(f.error) for f in again.failures] == [repr(f.error) for f in first.failures]
    return first


@pytest.mark.parametrize("program", programs.WRONG, ids=lambda program: program.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_is_found(program: Callable[[], None], seed: int) -> None:
    exploration = explore(program, executions=2000, seed=seed)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    assert exploration.reason == "the first finding was asked for"
    outcome = replayed(program, exploration)
    expected = Ending.DEADLOCK if program in DEADLOCKS else Ending.FINISHED
    assert outcome.ending is expected
    assert bool(outcome.failures) is (expected is Ending.FINISHED)


DEADLOCKS = (programs.crossed_locks, programs.lost_wake_up)


@pytest.mark.xfail(strict=True, reason="calls of builtins are not scheduling points yet")
@pytest.mark.parametrize("program", programs.MISSED, ids=lambda program: program.__name__)
def test_known_misses(program: Callable[[], None]) -> None:
    assert explore(program, executions=1000).verdict is Verdict.VIOLATED


@pytest.mark.parametrize("program", programs.RIGHT, ids=lambda program: program.__name__)
def test_what_is_right_is_clean(program: Callable[[], None]) -> None:
    exploration = explore(program, executions=300, seed=7)
    assert exploration.failing == ()
    assert exploration.verdict is Verdict.HOLDS, exploration.reason
    assert exploration.executions == 300
    assert exploration.context_switches >= exploration.preemptions > 0
    assert exploration.steps > 300


def test_a_deadlock_names_who_waits_for_whom() -> None:
    outcome = replayed(programs.crossed_locks, explore(programs.crossed_locks))
    owners = {wait.task: wait.owner for wait in outcome.waits}
    # Each of the two holds what the other wants; the first task waits for one of them to end.
    assert (owners[1], owners[2]) == (2, 1)
    assert owners[0] in (1, 2)
    assert {wait.kind for wait in outcome.waits} == {"acquire"}
    assert len({wait.subject for wait in outcome.waits}) == 3


def test_the_same_seed_makes_the_same_choices() -> None:
    def choices(seed: int) -> tuple[Choice, ...]:
        return explore(programs.lost_update, seed=seed).failing[0].schedule.choices

    assert choices(1) == choices(1)
    assert len({choices(seed) for seed in range(5)}) == 5


def test_only_targets_are_instrumented() -> None:
    before = programs.Account.pay.__code__
    exploration = explore(programs.lost_attribute, executions=300, targets=("json",))
    assert exploration.verdict is Verdict.HOLDS
    assert explore(programs.lost_attribute, targets=("tests.stress",)).failing
    assert programs.Account.pay.__code__ is before


def test_every_interleaving_of_two_threads_is_reached() -> None:
    """Two threads of two steps each: six orders, and random choices find all of them."""
    orders: set[str] = set()

    def program() -> None:
        lock, order = threading.Lock(), []

        def work(name: str) -> None:
            for _ in range(2):
                with lock:
                    order.append(name)

        programs.together(lambda: work("a"), lambda: work("b"))
        orders.add("".join(order))

    explore(program, executions=500)
    assert orders == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_all_findings_where_all_are_asked_for() -> None:
    exploration = explore(programs.lost_update, executions=200, stop_on_first=False)
    assert exploration.executions == 200
    assert exploration.reason == "all 200 executions are done"
    assert 1 < len(exploration.failing) < 200
    numbers = [failing.execution for failing in exploration.failing]
    assert numbers == sorted(set(numbers))


def test_an_exception_of_any_thread_is_a_failure() -> None:
    def program() -> None:
        thread = threading.Thread(target=lambda: [].pop())
        thread.start()
        thread.join()
        raise LookupError("of the first task")

    outcome = replayed(program, explore(program))
    found = [(failure.task, repr(failure.error)) for failure in outcome.failures]
    assert found == [
        (1, "IndexError('pop from empty list')"),
        (0, "LookupError('of the first task')"),
    ]


@pytest.mark.parametrize("stop", [SystemExit, _thread.exit])
def test_a_thread_may_end_itself(stop: Callable[[], Any]) -> None:
    def work() -> None:
        if stop is SystemExit:
            raise SystemExit
        stop()

    exploration = explore(lambda: programs.together(work, work), executions=20)
    assert exploration.verdict is Verdict.HOLDS


# -- unknown, never a vacuous pass ----------------------------------------------------------------


def test_a_program_without_a_choice_is_no_pass() -> None:
    exploration = explore(lambda: None, executions=5)
    assert exploration.verdict is Verdict.UNKNOWN
    assert "nothing was explored" in exploration.reason


def test_a_loop_that_spins_comes_to_the_limit() -> None:
    def program() -> None:
        lock, box = threading.Lock(), []

        def spin() -> None:
            while not box:
                with lock:
                    pass

        programs.together(spin)

    exploration = explore(program, executions=2, step_limit=500)
    assert exploration.verdict is Verdict.UNKNOWN
    assert "is there a loop that spins?" in exploration.reason
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "randon"}, "there is no strategy 'randon'; choose one of random"),
        ({"executions": 0}, "must be above 0"),
        ({"step_limit": 0}, "must be above 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        explore(lambda: None, **options)


def test_an_exploration_inside_another() -> None:
    exploration = explore(lambda: explore(lambda: None), executions=1)
    (failing,) = exploration.failing
    (failure,) = failing.outcome.failures
    assert isinstance(failure.error, InvalidArgument)
    assert "runs already" in str(failure.error)


# -- replay and strategies ------------------------------------------------------------------------


def test_a_replay_of_another_program_diverges() -> None:
    schedule = explore(programs.lost_update).failing[0].schedule
    with pytest.raises(ScheduleDiverged, match=r"^choice \d+: "):
        replay(programs.sleepers, schedule)
    with pytest.raises(ScheduleDiverged, match="the schedule ends here"):
        replay(programs.lost_update, Schedule(0, schedule.choices[:1]))
    first = schedule.choices[0]
    other = Choice(first.task, "swim", first.ready)
    with pytest.raises(ScheduleDiverged, match="choice 0: expected task 0 about to swim"):
        replay(programs.lost_update, Schedule(0, (other,)))
    assert threading.active_count() == 1


class Last:
    """Always takes the youngest task, three times, and looks at what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def begin(self, execution: int) -> bool:
        return execution < 3

    def choose(self, ready: Any, current: int | None) -> int:
        tasks = tuple(pending.task for pending in ready)
        assert len(tasks) >= 2
        assert tasks == tuple(sorted(tasks))
        assert current is None or current in tasks
        assert all(isinstance(pending, Pending) for pending in ready)
        self.seen.append(tasks)
        return len(ready) - 1


def test_anybody_may_bring_a_strategy() -> None:
    strategy = Last()
    # Instrumented like the program, and yet what it touches is no access of the program.
    exploration = explore(programs.kept_update, strategy=strategy, targets=("tests.stress",))
    assert exploration.executions == 3
    assert exploration.reason == "the strategy has nothing left to try"
    assert strategy.seen


def test_what_a_strategy_raises_is_raised() -> None:
    class Broken(Last):
        def choose(self, ready: Any, current: int | None) -> int:
            raise ZeroDivisionError("in the strategy")

    with pytest.raises(ZeroDivisionError, match="in the strategy"):
        explore(programs.kept_update, strategy=Broken())
    assert threading.active_count() == 1


# -- what is left behind --------------------------------------------------------------------------


def stubborn() -> None:
    """A deadlock of threads that catch everything, and one that never gives up."""
    lock = threading.Lock()
    lock.acquire()

    def catch() -> None:
        try:
            lock.acquire()
        except:  # noqa: E722
            lock.acquire()

    def for_ever() -> None:
        while True:
            try:
                lock.acquire()
            except BaseException:
                pass

    programs.together(catch, for_ever)


def bystander() -> None:
    """A daemon that outlives the program."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    threading.Thread(target=time.sleep, args=(1,)).start()


NAMES = {
    "threading": [
        "Lock", "RLock", "local", "get_ident", "excepthook", "_allocate_lock", "_CRLock", "_time",
        "_start_new_thread", "_start_joinable_thread", "_set_sentinel", "_ThreadHandle", "_active",
        "_limbo", "_dangling", "_shutdown_locks",
    ],
    "_thread": ["allocate_lock", "RLock", "get_ident", "start_new_thread"],
    "queue": ["SimpleQueue", "time"],
    "time": ["sleep", "time", "monotonic", "perf_counter", "time_ns", "monotonic_ns"],
    "concurrent.futures.thread": ["_global_shutdown_lock", "_threads_queues", "_shutdown"],
}  # fmt: skip


def surroundings() -> dict[str, Any]:
    named = {
        f"{module}.{name}": getattr(sys.modules[module], name, None)
        for module, names in NAMES.items()
        for name in names
    }
    threads = dict(threading._active)  # type: ignore[attr-defined]
    return {**named, "threads": threads, "random": random.getstate(), "gc": gc.isenabled()}


@pytest.mark.parametrize(
    "program",
    [programs.crossed_locks, programs.pool, programs.sleepers, stubborn, bystander],
    ids=lambda program: program.__name__,
)
def test_everything_is_as_it_was(program: Callable[[], None]) -> None:
    before = surroundings()
    explore(program, executions=50, stop_on_first=False)
    after = surroundings()
    assert {name for name in before if before[name] is not after[name]} <= {"threads", "random"}
    assert after["threads"] == before["threads"]
    assert after["random"] == before["random"]


def test_a_daemon_does_not_keep_an_execution_open() -> None:
    assert explore(bystander, executions=20).verdict is Verdict.HOLDS


def test_randomness_follows_from_the_seed() -> None:
    drawn: list[float] = []
    for seed in (1, 1, 2):
        explore(lambda: drawn.append(random.random()), executions=2, seed=seed)
    assert drawn[0] == drawn[1] == drawn[2] == drawn[3] != drawn[4]
