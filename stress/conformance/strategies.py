"""What is asked of every strategy, clause by clause, without an engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stress.errors import ScheduleDiverged
from stress.events import Anchor
from stress.site import Site
from stress.strategy import Pending, Strategy

#: So many choices are asked for in an execution, and so many executions are begun.
_CHOICES, _EXECUTIONS = 60, 5
#: A strategy that ends may do so before this one.
_FEW = 50
_KINDS = ("acquire", "release", "read", "write", "call")


class Guarded(Sequence[Any]):
    """Good for one call of `choose`; whoever looks later has kept what it was shown."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = tuple(items)
        self.open = True

    def _look(self) -> tuple[Any, ...]:
        assert self.open, "the strategy has kept what it was shown, and looks at it later"
        return self._items

    def __getitem__(self, index: Any) -> Any:
        return self._look()[index]

    def __len__(self) -> int:
        return len(self._look())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._look())

    def __contains__(self, item: object) -> bool:
        return item in self._look()

    def __getattr__(self, name: str) -> Any:
        if name in ("append", "remove", "pop", "clear", "sort", "insert", "extend", "reverse"):
            raise AssertionError(f"the strategy changes what it is shown: {name}")
        raise AttributeError(name)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise AssertionError("the strategy changes what it is shown")

    __delitem__: Any = __setitem__


class _GuardedPending:
    """Complains where a strategy writes to it, or looks at it after the call."""

    __slots__ = ("_closed", "_pending")

    def __init__(self, pending: Pending) -> None:
        object.__setattr__(self, "_pending", pending)
        object.__setattr__(self, "_closed", False)

    def close(self) -> None:
        """From now on it is not looked at either."""
        object.__setattr__(self, "_closed", True)

    def __getattr__(self, name: str) -> Any:
        if self._closed:
            raise AssertionError(
                "the strategy has kept a pending operation that it was shown, and looks at it later"
            )
        return getattr(self._pending, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError(
            f"the strategy changes what it is shown: {name} of a pending operation"
        )

    def __repr__(self) -> str:
        return repr(self._pending)


class _Numbers:
    """Each object is its own number."""

    def number(self, subject: object) -> int:
        return subject if isinstance(subject, int) else 0


def _pending(number: int, turn: int) -> _GuardedPending:
    kind = _KINDS[(turn * 3 + number) % len(_KINDS)]
    site = Site(kind, "name", "function", "module", "file", turn, 0)
    pending = Pending(number, site, _Numbers())
    pending.object = 1 + (turn + number) % 3
    pending.anchor = Anchor(site.kind, site.name, site.function, turn + 1)
    return _GuardedPending(pending)


def _choose(
    strategy: Strategy, ready: Sequence[int], tasks: int, turn: int, current: int | None
) -> int | None:
    """One choice; None where the strategy replays, and says that this is another program."""
    pending = [_pending(number, turn) for number in range(tasks)]
    shown = Guarded(ready), Guarded(pending)
    try:
        choice = strategy.choose(*shown, current)
    except ScheduleDiverged:
        return None
    shown[0].open = shown[1].open = False
    for one in pending:
        one.close()
    assert isinstance(choice, int), f"the strategy chose {choice!r}, which is no number"
    assert choice in ready, f"the strategy chose {choice}, and ready are {list(ready)}"
    return choice


def _execution(strategy: Strategy, tasks: int, choices: int, *, seed: int = 0) -> list[int]:
    """What a strategy chooses in an execution in which tasks come, wait and go."""
    world = random.Random(seed)
    current: int | None = None
    chosen: list[int] = []
    for turn in range(choices):
        ready = sorted(world.sample(range(tasks), world.randint(2, tasks)))
        waits = world.random() < 0.2
        if current not in ready or waits:
            current = None
        choice = _choose(strategy, ready, tasks, turn, current)
        if choice is None:
            break
        chosen.append(choice)
        current = choice
    return chosen


def _executions(strategy: Strategy, count: int = _EXECUTIONS) -> list[list[int]]:
    found = []
    for number in range(count):
        if not strategy.begin(number):
            break
        found.append(_execution(strategy, 4, _CHOICES, seed=number))
    return found


def check_strategy(make: Callable[[int], Strategy], *, is_random: bool = True) -> None:
    """Check a strategy; `make` gives a fresh one for a seed.

    With `is_random`, strategies of different seeds must choose differently. Raises AssertionError.
    """
    _check_choices(make)
    _check_determinism(make, is_random)
    _check_begin(make)
    _check_global_random(make)


def _check_choices(make: Callable[[int], Strategy]) -> None:
    """Members of ready only, however many there are; nothing kept, nothing changed."""
    for tasks in (2, 3, 7, 50, 200):
        strategy = make(1)
        assert strategy.begin(0) is True, "begin(0) must be True: there is a first execution"
        _execution(strategy, tasks, _CHOICES if tasks < 50 else 10)
    strategy = make(1)
    strategy.begin(0)
    _choose(strategy, [3, 5], 6, 0, None)


def _check_determinism(make: Callable[[int], Strategy], is_random: bool) -> None:
    first = _executions(make(1))
    again = _executions(make(1))
    assert first == again, "the strategy does not choose the same with the same seed"
    interleaved = make(1), make(1)
    both: tuple[list[list[int]], list[list[int]]] = ([], [])
    for number in range(len(first)):
        for strategy, found in zip(interleaved, both, strict=True):
            strategy.begin(number)
            found.append(_execution(strategy, 4, _CHOICES, seed=number))
    assert both[0] == both[1] == first, "two strategies of the same seed share state"
    if is_random:
        others = [_executions(make(seed)) for seed in range(2, 6)]
        assert any(other != first for other in others), (
            "the strategy chooses the same whatever its seed is"
        )


def _check_begin(make: Callable[[int], Strategy]) -> None:
    """Asked twice, after an execution that was cut short, and after the last one."""
    plain, twice, cut = make(1), make(1), make(1)
    for strategy in (plain, twice, cut):
        strategy.begin(0)
    expected = _execution(plain, 4, _CHOICES)
    assert twice.begin(0) is True, "begin is False when it is asked twice for the same execution"
    assert _execution(twice, 4, _CHOICES) == expected, (
        "the strategy chooses otherwise when begin is asked twice for the same execution"
    )
    _execution(cut, 4, 3)
    assert cut.begin(0) is True, "begin is False after an execution that was cut short"
    assert _execution(cut, 4, _CHOICES) == expected, (
        "the strategy chooses otherwise after an execution that was cut short was begun anew"
    )
    number = 1
    while number < _FEW and plain.begin(number):
        _execution(plain, 3, 5, seed=number)
        number += 1
    if number < _FEW:
        assert not any(plain.begin(later) for later in range(number, number + 3)), (
            f"the strategy had no execution {number}, and then has one again"
        )


def _check_global_random(make: Callable[[int], Strategy]) -> None:
    """Neither led by the `random` of the program, nor drawing from it."""
    state = random.getstate()
    try:
        random.seed(1)
        first, before = _executions(make(1)), random.getstate()
        random.seed(1)
        assert random.getstate() == before, "the strategy draws from the global random numbers"
        random.seed(2)
        assert _executions(make(1)) == first, "the strategy follows the global random numbers"
    finally:
        random.setstate(state)
