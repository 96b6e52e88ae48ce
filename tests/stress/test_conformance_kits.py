"""The kits pass what is right, and each clause is seen to fail."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from stress.conformance import check_carrier, check_strategy
from stress.engine.carriers import GreenletCarrier, ThreadCarrier
from stress.engine.context import context
from stress.strategies.random_walk import RandomWalk
from stress.strategies.replay import Repeat
from stress.strategy import Pending
from tests.stress.engine.carriers import CARRIERS

needs_greenlets = pytest.mark.skipif("greenlet" not in CARRIERS, reason="without greenlets")


def test_random_walk() -> None:
    check_strategy(RandomWalk)


def test_repeat() -> None:
    check_strategy(lambda seed: Repeat((0, 1, 0, 1, 2)), is_random=False)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_carriers(carrier: str) -> None:
    check_carrier(CARRIERS[carrier])


# -- broken strategies ----------------------------------------------------------------------------


class Base:
    """Right, but for what a subclass breaks."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random()

    def begin(self, execution: int) -> bool:
        self.random.seed(f"{self.seed}/{execution}")
        return True

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        return self.random.choice(list(ready))


class Wild(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        return len(pending)


class Wordy(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> Any:
        return str(ready[0])


class Fresh(Base):
    """Follows nothing that anybody could repeat."""

    def begin(self, execution: int) -> bool:
        self.random.seed()
        return True


class Seedless(Base):
    def __init__(self, seed: int) -> None:
        super().__init__(0)


class Keeps(Base):
    kept: Any = None

    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        if self.kept is not None:
            len(self.kept)
        self.kept = ready
        return super().choose(ready, pending, current)


class KeepsPending(Base):
    kept: Any = None

    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        if self.kept is not None:
            assert self.kept.site
        self.kept = pending[ready[0]]
        return super().choose(ready, pending, current)


class Sorts(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        ready.sort()
        return int(ready[0])


class Writes(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        pending[ready[0]].yielding = True
        return super().choose(ready, pending, current)


class NeedsCurrent(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        assert current is not None, "nobody has run"
        return int(ready[0])


class FewTasks(Base):
    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        assert len(pending) < 100, "too many tasks"
        return super().choose(ready, pending, current)


class OnlyOnce(Base):
    begun = -1

    def begin(self, execution: int) -> bool:
        super().begin(execution)
        again, self.begun = self.begun == execution, execution
        return not again


class CarriesOn(Base):
    """Does not begin anew when it is asked for the same execution again."""

    begun = -1

    def begin(self, execution: int) -> bool:
        if self.begun != execution:
            super().begin(execution)
        self.begun = execution
        return True


class ComesBack(Base):
    def begin(self, execution: int) -> bool:
        super().begin(execution)
        return execution != 7


class Shares(Base):
    """All of one class draw from one source."""

    source = random.Random(5)

    def begin(self, execution: int) -> bool:
        if execution == 0:
            Shares.source.seed(self.seed)
        return True

    def choose(self, ready: Any, pending: Any, current: Any) -> int:
        return Shares.source.choice(list(ready))


class Draws(Base):
    def begin(self, execution: int) -> bool:
        random.random()
        return super().begin(execution)


class Follows(Base):
    """Looks at the global numbers, and puts them back."""

    def begin(self, execution: int) -> bool:
        state = random.getstate()
        super().begin(execution)
        self.random.seed(f"{self.seed}/{execution}/{random.random()}")
        random.setstate(state)
        return True


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (Wild, r"the strategy chose \d+, and ready are"),
        (Wordy, "chose '0', which is no number"),
        (Fresh, "does not choose the same with the same seed"),
        (Seedless, "chooses the same whatever its seed is"),
        (Keeps, "has kept what it was shown"),
        (KeepsPending, "has kept a pending operation"),
        (Sorts, "changes what it is shown: sort"),
        (Writes, "changes what it is shown: yielding of a pending operation"),
        (NeedsCurrent, "nobody has run"),
        (FewTasks, "too many tasks"),
        (OnlyOnce, "begin is False when it is asked twice"),
        (CarriesOn, "chooses otherwise"),
        (ComesBack, "had no execution 7, and then has one again"),
        (Shares, "share state"),
        (Draws, "draws from the global random numbers"),
        (Follows, "follows the global random numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_strategy_is_told_what_is_wrong(
    strategy: Callable[[int], Any], words: str
) -> None:
    state = random.getstate()
    random.seed(3)
    try:
        with pytest.raises(AssertionError, match=words):
            check_strategy(strategy)
    finally:
        random.setstate(state)


def test_the_base_of_the_broken_ones_is_right() -> None:
    check_strategy(Base)


# -- broken carriers ------------------------------------------------------------------------------


class Wrapping(ThreadCarrier):
    """A carrier that does something around every job."""

    def around(self, job: Callable[[], Any]) -> Any:
        return job()

    def unit(self, job: Callable[[], Any]) -> Any:
        return super().unit(lambda: self.around(job))


class Eager(ThreadCarrier):
    def unit(self, job: Callable[[], Any]) -> Any:
        job()
        return super().unit(job)


class Forgetful(ThreadCarrier):
    def unit(self, job: Callable[[], Any]) -> Any:
        kept, self.idle = self.idle, []
        try:
            return super().unit(job)
        finally:
            self.idle = kept


class OneContext(Wrapping):
    """Every job finds what the one before left."""

    left: Any = ()

    def around(self, job: Callable[[], Any]) -> Any:
        import contextvars

        for variable, value in self.left:
            variable.set(value)
        try:
            return super().around(job)
        finally:
            self.left = list(contextvars.copy_context().items())


class Silent(Wrapping):
    def around(self, job: Callable[[], Any]) -> Any:
        following = job()
        if context.execution is not None:
            context.execution.failures.clear()
        return following


class Shallow(Wrapping):
    def around(self, job: Callable[[], Any]) -> Any:
        sys.setrecursionlimit(67)  # Of which the engine makes three times as much.
        return job()


class FewUnits(ThreadCarrier):
    def unit(self, job: Callable[[], Any]) -> Any:
        if len(self._all) > 50 and not self.idle:
            raise RuntimeError("no more units")
        return super().unit(job)


class OnlyFromHome(ThreadCarrier):
    def unit(self, job: Callable[[], Any]) -> Any:
        if self.running is not self.home:
            raise RuntimeError("only the first task may start others")
        return super().unit(job)


class Abandons(Wrapping):
    """Says of a task that was unwound that it could not be."""

    def around(self, job: Callable[[], Any]) -> Any:
        following = job()
        execution = context.execution
        if execution is not None and execution.aborting and len(execution.tasks) == 5:
            execution.unwinding.stuck.append(1)
        return following


class InHand(Wrapping):
    """Every job begins while something else is handled."""

    def around(self, job: Callable[[], Any]) -> Any:
        try:
            raise KeyError("of another")
        except KeyError:
            return job()


class Hides(GreenletCarrier):
    """Says of no task that it could not be ended. On greenlets: on threads it would go on."""

    def run(self, first: Any) -> None:
        super().run(first)
        execution = context.execution
        if execution is not None and execution.aborting:
            execution.unwinding.stuck.clear()


class LeavesThreads(ThreadCarrier):
    def close(self) -> None:
        left.append(self)


left: list[LeavesThreads] = []


@pytest.fixture
def put_right() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(limit)
    while left:
        ThreadCarrier.close(left.pop())


@pytest.mark.parametrize(
    ("carrier", "words"),
    [
        (Eager, "a job runs before its unit is switched to"),
        (Forgetful, "is not used again"),
        (OneContext, "finds a context variable of another one"),
        (Silent, "one task raises ZeroDivisionError, and there came"),
        (Shallow, "deep recursion: RecursionError"),
        (FewUnits, "200 tasks: RuntimeError"),
        (OnlyFromHome, "tasks that start tasks: RuntimeError"),
        (Abandons, "unwinding: tasks .* could not be ended"),
        (LeavesThreads, "threads are left after close"),
        (InHand, "a task has the exception of another in hand"),
        pytest.param(Hides, r"cannot be ended; told of were \(\)", marks=needs_greenlets),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.usefixtures("put_right")
def test_a_broken_carrier_is_told_what_is_wrong(carrier: Callable[[], Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_carrier(carrier)
