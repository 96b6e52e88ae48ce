"""Controlled execution: what is found, what is clean, what is unknown, and what is left behind."""

from __future__ import annotations

import _thread
import gc
import os
import random
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from stress.errors import InvalidArgument, ScheduleDiverged
from stress.events import Anchor
from stress.exploration import Exploration, Progress, explore, replay
from stress.finding import Finding, FindingKind, Verdict
from stress.reduction import size
from stress.schedule import Schedule
from stress.strategies.portfolio import MEMBERS
from stress.strategy import Pending
from tests.corpus.yardsticks import reorder
from tests.stress.engine import programs


def replayed(program: Callable[[], object], exploration: Exploration) -> Finding:
    """The first finding, after a replay of its schedule showed the same, step by step."""
    first = exploration.findings[0]
    assert first.schedule is not None
    assert "note" not in first.details
    again = replay(program, Schedule.from_json(first.schedule.to_json()))
    assert again.verdict is Verdict.VIOLATED
    assert as_replayed(first) in again.findings
    return first


def as_replayed(finding: Finding) -> Finding:
    """Without what only an exploration knows."""
    own = ("found_by", "shrunk")
    details = {name: value for name, value in finding.details.items() if name not in own}
    return replace(finding, trial=0, count=1, details=details)


@pytest.mark.parametrize("program", programs.WRONG, ids=lambda program: program.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_is_found(program: Callable[[], None], seed: int) -> None:
    exploration = explore(program, executions=2000, seed=seed)
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    assert exploration.reason == "the first finding was asked for"
    finding = replayed(program, exploration)
    expected = FindingKind.DEADLOCK if program in DEADLOCKS else FindingKind.EXCEPTION
    assert finding.kind is expected
    assert f"programs.py:{program.__name__}" in finding.place or "programs.py:" in finding.place


DEADLOCKS = (programs.crossed_locks, programs.lost_wake_up)


@pytest.mark.parametrize("program", programs.RIGHT, ids=lambda program: program.__name__)
def test_what_is_right_is_clean(program: Callable[[], None]) -> None:
    exploration = explore(program, executions=300, seed=7, strategy="random")
    assert exploration.findings == ()
    assert exploration.verdict is Verdict.HOLDS, exploration.reason
    statistics = exploration.statistics
    assert statistics.executions == 300
    assert statistics.context_switches >= statistics.preemptions > 0
    assert statistics.steps > 300
    assert statistics.residual_risk == pytest.approx(1 - 0.05 ** (1 / 300))


def test_a_deadlock_names_who_waits_for_whom() -> None:
    finding = replayed(programs.crossed_locks, explore(programs.crossed_locks))
    assert finding.details["cycle"] == [1, 2]
    work = r"crossed_locks.<locals>.work \([\w/]*programs.py:\d+\)"
    assert re.fullmatch(
        rf"deadlock: task 1 in {work} waits to acquire Lock (\d+), which task 2 holds "
        rf"\(and holds Lock (\d+)\), and task 2 in {work} waits to acquire Lock \2, which task 1 "
        r"holds \(and holds Lock \1\)",
        finding.message,
    ), finding.message
    # The first task is no part of the cycle: it waits for one of them to end.
    assert [stack.current for stack in finding.threads] == [False, True, True]
    assert "waits for the end of task" in finding.details["waits"][0]


def test_a_lost_wake_up_is_no_cycle() -> None:
    finding = replayed(programs.lost_wake_up, explore(programs.lost_wake_up))
    assert finding.details["cycle"] == []
    assert re.match(
        r"lost wake-up: task 1 in lost_wake_up.<locals>.consumer \(.*\) waits to wait .*, "
        r"and nobody is left who could end that",
        finding.message,
    ), finding.message


def test_the_same_seed_makes_the_same_choices() -> None:
    def found(seed: int) -> tuple[int, Schedule | None]:
        exploration = explore(programs.lost_update, strategy="random", seed=seed, shrink=False)
        finding = exploration.findings[0]
        assert finding.schedule is not None
        return finding.trial, replace(finding.schedule, seed=0)

    assert found(1) == found(1)
    assert len({found(seed) for seed in range(5)}) == 5


def test_only_targets_are_instrumented() -> None:
    before = programs.Account.pay.__code__
    exploration = explore(programs.lost_attribute, executions=300, targets=("json",))
    assert exploration.verdict is Verdict.HOLDS
    assert explore(programs.lost_attribute, targets=("tests.stress",)).findings
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

    explore(program, strategy="random", executions=500)
    assert orders == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_all_findings_where_all_are_asked_for() -> None:
    exploration = explore(
        programs.lost_update, strategy="random", executions=200, stop_on_first=False
    )
    assert exploration.statistics.executions == 200
    assert exploration.reason == "all 200 executions are done"
    (finding,) = exploration.findings
    assert 1 < finding.count < 200
    assert exploration.statistics.residual_risk is None


def test_an_exception_of_any_thread_is_a_failure() -> None:
    def program() -> None:
        thread = threading.Thread(target=lambda: [].pop())
        thread.start()
        thread.join()
        raise LookupError("of the first task")

    exploration = explore(program)
    replayed(program, exploration)
    place = r" at test_an_exception_of_any_thread_is_a_failure.<locals>.program.*"
    first, second = (finding.message for finding in exploration.findings)
    assert re.fullmatch(rf"IndexError: pop from empty list, in task 1{place}", first)
    assert re.fullmatch(rf"LookupError: of the first task, in task 0{place}", second)


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
    assert exploration.verdict is Verdict.VIOLATED
    finding = replayed_with_limit(program, exploration, 500)
    assert finding.kind is FindingKind.STARVATION
    assert re.match(r"task 1 spins at .*spin.* without an end", finding.message)
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "randon"}, "there is no strategy 'randon'; choose one of portfolio"),
        ({"executions": 0}, "executions is 0; it must be above 0"),
        ({"step_limit": -3}, "step_limit is -3; it must be above 0"),
        ({"time_limit_s": 0}, "time_limit_s is 0; it must be above 0"),
        ({"carrier": "rope"}, "there is no carrier 'rope'; choose one of auto, greenlet, thread"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        explore(lambda: None, **options)


def test_an_exploration_inside_another() -> None:
    exploration = explore(lambda: explore(lambda: None), executions=1)
    (finding,) = exploration.findings
    assert "InvalidArgument: a controlled execution runs already" in finding.message


def test_a_program_that_does_not_do_the_same_twice() -> None:
    times: list[int] = []

    def program() -> None:
        lock = threading.Lock()
        times.append(1)

        def work() -> None:
            with lock:
                pass
            if len(times) % 2:
                lock.locked()

        programs.together(work, work)

    exploration = explore(program, executions=50)
    assert exploration.verdict is Verdict.UNKNOWN
    assert exploration.reason in exploration.notices
    assert re.match(
        r"the program does not do the same twice.*: at step \d+ task \d was about to .* "
        r"\(test_exploration.py:\d+\) the first time, and task \d to .* the second time; what "
        r"decides that is not under control|the program does not do the same twice: choice \d+",
        exploration.reason,
    ), exploration.reason


def test_a_first_time_that_is_different_is_no_matter() -> None:
    """A cache is filled by the first execution: from the second on it is always the same."""
    cache: list[int] = []

    def program() -> None:
        lock = threading.Lock()

        def work() -> None:
            if not cache:
                with lock:
                    cache.append(1)

        programs.together(work, work)

    exploration = explore(program, executions=50)
    assert exploration.verdict is Verdict.HOLDS, exploration.reason


@pytest.mark.parametrize("strategy", ["dpor", "dfs", "portfolio"])
@pytest.mark.parametrize("executions", [1, 1000])
def test_after_a_first_time_that_is_different_it_begins_anew(
    strategy: str, executions: int
) -> None:
    """Who goes through all interleavings has those of a program whose cache is full."""
    cache: list[int] = []

    def program() -> None:
        lock, box = threading.Lock(), [0]

        def work() -> None:
            if not cache:
                for _ in range(3):
                    with lock:
                        box[0] += 1
                cache.append(1)
            with lock:
                box[0] += 1

        programs.together(work, work)

    first, later = (
        explore(program, strategy=strategy, executions=executions, saturation=None)
        for _ in range(2)
    )
    assert first.statistics.executions == later.statistics.executions
    assert first.statistics.complete == later.statistics.complete == (executions == 1000)
    assert [notice for notice in first.notices if notice.startswith("only at first")]
    assert later.notices == ()


def test_a_strategy_of_ones_own_is_told_that_it_begins_anew() -> None:
    begun: list[int] = []
    cache: list[int] = []

    class Alone:
        def begin(self, execution: int) -> bool:
            begun.append(execution)
            return True

        def choose(
            self, ready: Sequence[int], pending: Sequence[Pending], current: int | None
        ) -> int:
            return ready[0]

    def program() -> None:
        lock = threading.Lock()
        programs.together(*[lambda: None if cache else lock.locked()] * 2)
        cache.append(1)

    assert explore(program, strategy=Alone(), executions=12).statistics.executions == 12
    assert begun == [*range(8), *range(12)]


def test_what_was_complete_only_at_first_is_not_complete() -> None:
    """All of the state that is gone was executed; of the one that stays, nothing: Ctrl-C."""
    cache: list[int] = []

    class TwoAndTheEnd:
        complete = True

        def begin(self, execution: int) -> bool:
            if cache.count(2) and not execution:
                raise KeyboardInterrupt
            if execution == 2:
                cache.append(2)
            return execution < 2

        def choose(
            self, ready: Sequence[int], pending: Sequence[Pending], current: int | None
        ) -> int:
            return ready[0]

    def program() -> None:
        lock = threading.Lock()
        programs.together(*[lambda: None if cache else lock.locked()] * 2)
        cache.append(1)

    exploration = explore(program, strategy=TwoAndTheEnd(), executions=12)
    assert exploration.verdict is Verdict.UNKNOWN
    assert exploration.reason == "interrupted before the first execution was done"
    assert not exploration.statistics.complete


def test_what_goes_wrong_only_at_first_is_not_lost() -> None:
    """The first execution uses up what the others would need to fail."""
    stock = ["lamp"]

    def program() -> None:
        programs.together(int, int)
        assert stock.pop() is None if stock else True

    exploration = explore(program, executions=20)
    assert exploration.verdict is Verdict.VIOLATED
    (finding,) = exploration.findings
    assert "the program does not do the same twice" in finding.details["note"]
    assert any(notice.startswith("only at first") for notice in exploration.notices)


def test_a_finding_that_does_not_come_again_says_so() -> None:
    times: list[int] = []

    def program() -> None:
        programs.together(int, int)
        times.append(1)
        assert len(times) != 30

    finding = explore(program, executions=100).findings[0]
    assert finding.details["note"].startswith("replayed, it came out otherwise: ")


def test_unwinding_is_nobodys_news(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither pools, nor finalizers, nor hooks tell of the exception that unwinds."""

    class Closing:
        def __init__(self, lock: threading.Lock) -> None:
            self.lock = lock

        def __del__(self) -> None:
            self.lock.acquire()

    def program() -> None:
        lock = threading.Lock()
        lock.acquire()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lock.acquire)
            closing = Closing(lock)
            lock.acquire()
            del closing

    exploration = explore(program, executions=5, stop_on_first=False)
    assert {finding.kind for finding in exploration.findings} == {FindingKind.DEADLOCK}
    assert capfd.readouterr() == ("", "")


# -- replay and strategies ------------------------------------------------------------------------


def test_a_replay_of_another_program_diverges() -> None:
    schedule = explore(programs.lost_update).findings[0].schedule
    assert schedule is not None
    with pytest.raises(ScheduleDiverged, match=r"^switch \d+: expected that when task .* found "):
        replay(programs.sleepers, schedule)
    with pytest.raises(ScheduleDiverged, match=r"the schedule ends here, and tasks .* are ready"):
        replay(programs.lost_update, Schedule(0))
    first = schedule.switches[0]
    for other, words in [
        (replace(first, ready=(0, 9)), "tasks 0, 9 are ready; found that tasks"),
        (replace(first, at=Anchor("swim", "", "", 1)), "is about to swim"),
    ]:
        with pytest.raises(ScheduleDiverged, match=words):
            replay(programs.lost_update, Schedule(0, (other, *schedule.switches[1:])))
    assert threading.active_count() == 1


class Last:
    """Always takes the youngest task, three times, and looks at what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def begin(self, execution: int) -> bool:
        return execution < 3

    def choose(self, ready: Any, pending: Any, current: int | None) -> int:
        tasks = tuple(ready)
        assert len(tasks) >= 2
        assert tasks == tuple(sorted(tasks))
        assert current is None or current in tasks
        for number in tasks:
            assert isinstance(pending[number], Pending)
            assert pending[number].task == number
        self.seen.append(tasks)
        return tasks[-1]


def test_anybody_may_bring_a_strategy() -> None:
    strategy = Last()
    # Instrumented like the program, and yet what it touches is no access of the program.
    exploration = explore(programs.kept_update, strategy=strategy, targets=("tests.stress",))
    assert exploration.statistics.executions == 3
    assert exploration.reason == "the strategy has nothing left to try"
    assert strategy.seen


def test_what_a_strategy_raises_is_raised() -> None:
    class Broken(Last):
        def choose(self, ready: Any, pending: Any, current: int | None) -> int:
            raise ZeroDivisionError("in the strategy")

    with pytest.raises(ZeroDivisionError, match="in the strategy"):
        explore(programs.kept_update, strategy=Broken())
    assert threading.active_count() == 1


def test_a_strategy_must_choose_a_ready_task() -> None:
    class Wild(Last):
        def __init__(self, choice: Any) -> None:
            super().__init__()
            self.choice = choice

        def choose(self, ready: Any, pending: Any, current: int | None) -> int:
            if self.choice == "waiting":
                # Task 0 waits for the others as soon as it is not among the ready ones.
                return min(ready) if min(ready) == 0 else 0
            return self.choice  # type: ignore[no-any-return]

    with pytest.raises(InvalidArgument, match=r"chose task 0; it must choose one of .*\[1, 2\]"):
        explore(programs.kept_update, strategy=Wild("waiting"))
    with pytest.raises(IndexError):
        explore(programs.kept_update, strategy=Wild(77))


# -- what is left behind --------------------------------------------------------------------------


def replayed_with_limit(
    program: Callable[[], object], exploration: Exploration, step_limit: int
) -> Finding:
    """As `replayed`, for an execution that was ended at a limit."""
    first = exploration.findings[0]
    assert first.schedule is not None
    again = replay(program, first.schedule, step_limit=step_limit)
    assert again.findings == (as_replayed(first),)
    return first


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
        "_limbo", "_dangling", "_shutdown_locks", "_counter",
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
    def drawn(seed: int) -> set[object]:
        found: list[object] = []

        def program() -> None:
            found.append((random.random(), os.urandom(8), random.Random().random(), uuid.uuid4()))

        explore(program, executions=3, seed=seed)
        assert len(found) >= 3
        return set(found)

    assert len(drawn(1)) == 1
    assert drawn(1) == drawn(1)
    assert drawn(1).isdisjoint(drawn(2))
    assert random.random() not in {numbers[0] for numbers in drawn(1)}  # type: ignore[index]


def test_findings_come_shrunk_where_nobody_says_otherwise() -> None:
    plain = explore(programs.lost_update, strategy="random", seed=3, shrink=False)
    shrunk = explore(programs.lost_update, strategy="random", seed=3)
    (before,), (after,) = plain.findings, shrunk.findings
    assert before.schedule is not None
    assert after.schedule is not None
    assert size(after.schedule) < size(before.schedule)
    assert after.details["shrunk"]["preemptions_before"] == size(before.schedule)[0]
    assert (after.id, after.trial) == (before.id, before.trial)
    # The executions that this takes are none of the exploration's.
    assert shrunk.statistics.executions == plain.statistics.executions
    again = replay(programs.lost_update, after)
    assert [finding.fingerprint for finding in again.findings] == [after.fingerprint]


def test_progress_is_told_while_a_finding_is_shrunk() -> None:
    told: list[Progress] = []
    explore(reorder(60), on_progress=told.append)
    shrinking = [progress.shrinking for progress in told if progress.shrinking]
    assert shrinking == sorted(set(shrinking))
    assert len(shrinking) > 1
    assert {progress.findings for progress in told if progress.shrinking} == {1}
    assert [p.elapsed_s for p in told] == sorted(p.elapsed_s for p in told)


def test_a_finding_of_the_portfolio_says_who_found_it() -> None:
    exploration = explore(programs.lost_update)
    assert exploration.findings[0].details["found_by"] in MEMBERS
