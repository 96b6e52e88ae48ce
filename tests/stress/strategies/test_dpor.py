"""Optimal DPOR makes one execution per trace: each of those that brute force finds, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress import check_threads
from stress.conformance import check_strategy
from stress.engine.fork_join import fork_join
from stress.errors import ScheduleDiverged
from stress.exploration import explore
from stress.finding import Verdict
from stress.site import Site
from stress.strategies.dpor import DPOR
from stress.strategy import Pending

READ, WRITE, ACQUIRE, RELEASE, GET, PUT = "read", "write", "acquire", "release", "get", "put"
#: Takes an item where there is one, and waits for none.
TRY = "try"
#: Reads, and leaves out the operation after it where another task wrote what it read.
GUARD = "guard"
#: Kind, object.
Operation = tuple[str, str]
Program = Sequence[Sequence[Operation]]
#: Who comes first, of each two conflicting operations; and what tasks read.
Trace = tuple[frozenset[tuple[object, object]], tuple[object, ...]]

_SITES: dict[tuple[int, int, str, str], Site] = {}


class _Numbers:
    """As the engine numbers objects: as they are asked for. Or all beforehand, below what it does:
    then each has the same number in every execution."""

    def __init__(self, *beforehand: str) -> None:
        self._known: dict[object, int] = {None: 0}
        self._known.update({name: -number for number, name in enumerate(beforehand, 1)})

    def number(self, subject: object) -> int:
        return self._known.setdefault(subject, len(self._known))


@dataclass
class Machine:
    """Executes a program step by step."""

    program: Program
    done: list[int] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    items: int = 0
    log: list[tuple[int, int, str, str]] = field(default_factory=list)
    read: list[list[object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done = [0] * len(self.program)
        self.read = [[] for _ in self.program]

    def next_of(self, task: int) -> Operation | None:
        steps = self.program[task]
        return steps[self.done[task]] if self.done[task] < len(steps) else None

    def ready(self) -> list[int]:
        return [task for task in range(len(self.program)) if self._can(task)]

    def _can(self, task: int) -> bool:
        operation = self.next_of(task)
        if operation is None:
            return False
        kind, what = operation
        if kind == ACQUIRE:
            return what not in self.held
        return kind != GET or self.items > 0

    def step(self, task: int) -> None:
        operation = self.next_of(task)
        assert operation is not None
        kind, what = operation
        place = self.done[task]
        self.log.append((task, place, kind, what))
        self.done[task] += 1
        if kind == WRITE:
            self.values[what] = (task, place)
        elif kind in (READ, GUARD):
            value = self.values.get(what)
            self.read[task].append(value)
            if kind == GUARD and isinstance(value, tuple) and value[0] != task:
                self.done[task] += 1
        elif kind == ACQUIRE:
            self.held[what] = task
        elif kind == RELEASE:
            del self.held[what]
        elif kind == TRY:
            self.read[task].append(self.items)
            self.items -= self.items > 0
        else:
            self.items += 1 if kind == PUT else -1

    def trace(self) -> Trace:
        pairs = {
            (first[:2], second[:2])
            for number, first in enumerate(self.log)
            for second in self.log[number + 1 :]
            if _conflict(first, second)
        }
        return frozenset(pairs), tuple(tuple(values) for values in self.read)


def _conflict(first: tuple[int, int, str, str], second: tuple[int, int, str, str]) -> bool:
    looks = {READ, GUARD}
    # That of two releases goes without saying: it is that of what they release.
    return (
        first[0] != second[0]
        and first[3] == second[3]
        and not (first[2] in looks and second[2] in looks)
        and RELEASE not in (first[2], second[2])
    )


def executed_under(
    strategy: DPOR, number: int, program: Program, *beforehand: str
) -> Machine | None:
    """An execution; None where the strategy has none left."""
    if not strategy.begin(number):
        return None
    machine = Machine(program)
    numbers = _Numbers(*beforehand)
    begin = Site("begin", "", "", "", "", 0, 0)
    pending = [Pending(task, begin, numbers) for task in range(len(program))]
    current = None
    while True:
        for task, one in enumerate(pending):
            operation = machine.next_of(task)
            if operation is not None:
                kind, what = operation
                key = (task, machine.done[task], kind, what)
                one.site = _SITES.setdefault(key, _site(kind, what))
                one.object = what
            one.waits = operation is not None and operation[0] in (ACQUIRE, GET)
        ready = machine.ready()
        if not ready:
            if any(machine.next_of(task) is not None for task in range(len(program))):
                strategy.choose(ready, pending, None)
            return machine
        current = strategy.choose(ready, pending, current if current in ready else None)
        machine.step(current)


def _site(kind: str, what: str) -> Site:
    name = "Lock" if kind in (ACQUIRE, RELEASE) else what
    return Site({GUARD: READ, TRY: GET}.get(kind, kind), name, "", "", "", 0, 0)


def traces_by_brute_force(program: Program) -> set[Trace]:
    """Of all interleavings."""
    found = set()
    seen = set()
    stack: list[tuple[int, ...]] = [()]
    while stack:
        order = stack.pop()
        machine = Machine(program)
        for task in order:
            machine.step(task)
        ready = machine.ready()
        if not ready:
            found.add(machine.trace())
        # Equivalent ways here go on in the same way.
        state = (machine.trace(), tuple(machine.done))
        if state not in seen:
            seen.add(state)
            stack += [(*order, task) for task in ready]
    return found


def traces_of(strategy: DPOR, program: Program, *beforehand: str) -> list[Trace]:
    found: list[Trace] = []
    while (machine := executed_under(strategy, len(found), program, *beforehand)) is not None:
        found.append(machine.trace())
    return found


def _flat(blocks: list[list[Operation]]) -> list[Operation]:
    return [operation for block in blocks for operation in block]


def _locked(lock: str, body: list[Operation]) -> list[Operation]:
    return [(ACQUIRE, lock), *body, (RELEASE, lock)]


_plain = st.builds(
    lambda kind, what: [(kind, what)], st.sampled_from([READ, WRITE]), st.sampled_from("xyz")
)
_guarded = st.builds(lambda what, plain: [(GUARD, what), *plain], st.sampled_from("xyz"), _plain)
_block = st.builds(_locked, st.sampled_from("lm"), st.lists(_plain, max_size=2).map(_flat))
_nested = st.builds(
    lambda outer, inner, body: _locked(outer, _locked(inner, body) if inner != outer else body),
    st.sampled_from("lm"),
    st.sampled_from("lm"),
    _plain,
)


def programs(*blocks: st.SearchStrategy[list[Operation]], most: int) -> st.SearchStrategy[Program]:
    task = st.lists(st.one_of(*blocks), min_size=1, max_size=most).map(_flat)
    return st.lists(task, min_size=2, max_size=3).filter(lambda p: sum(map(len, p)) <= 14)


@given(programs(_plain, _guarded, _block, _nested, most=4))
@settings(max_examples=300, deadline=None)
def test_every_trace_once(program: Program) -> None:
    strategy = DPOR()
    found = traces_of(strategy, program, *"xyzlm")
    assert set(found) == traces_by_brute_force(program)
    assert len(found) == len(set(found))
    assert strategy.complete
    assert not strategy.redundant


@given(programs(_plain, _guarded, _block, _nested, most=4))
@settings(max_examples=300, deadline=None)
def test_every_trace_where_objects_have_other_numbers_each_time(program: Program) -> None:
    strategy = DPOR()
    found = traces_of(strategy, program)
    assert set(found) == traces_by_brute_force(program)
    assert strategy.complete
    assert not strategy.redundant


_give = st.just([(PUT, "q")])
_take = st.just([(GET, "q")])
_try = st.just([(TRY, "q")])


@given(programs(_plain, _guarded, _block, _give, _give, _take, _try, most=4))
@settings(max_examples=300, deadline=None)
def test_every_trace_of_tasks_that_take(program: Program) -> None:
    strategy = DPOR()
    found = traces_of(strategy, program)
    assert set(found) == traces_by_brute_force(program)
    assert strategy.complete


@pytest.mark.parametrize(
    ("drawn", "beforehand", "most"),
    [
        (programs(_plain, _guarded, _block, _nested, most=4), "xyzlm", 1.0),
        # Of what has another number in the execution that is planned after, nobody can say whether
        # it conflicts: some traces are executed twice.
        (programs(_plain, _guarded, _block, _nested, most=4), "", 1.05),
        (programs(_plain, _guarded, _block, _give, _give, _take, _try, most=4), "", 1.1),
    ],
)
def test_few_traces_are_executed_twice(
    drawn: st.SearchStrategy[Program], beforehand: str, most: float
) -> None:
    """One program may have many of them, a population has few."""
    executions = traces = 0

    @given(drawn)
    @settings(max_examples=200, deadline=None, derandomize=True)
    def count(program: Program) -> None:
        nonlocal executions, traces
        found = traces_of(DPOR(), program, *beforehand)
        executions += len(found)
        traces += len(set(found))

    count()
    assert traces > 500
    assert executions <= most * traces


@pytest.mark.parametrize(
    "program",
    [
        # Two wait for one item, and what the second does before that matters to a third.
        [[(PUT, "q"), (READ, "x")], [(GET, "q")], [(WRITE, "x"), (WRITE, "x"), (GET, "q")]],
        # A task goes another way in the execution after which the next ones are planned.
        [[(WRITE, "z")], [(GUARD, "x"), (WRITE, "x")], [(WRITE, "z"), (READ, "z"), (WRITE, "x")]],
        # Objects have other numbers there.
        [
            [(ACQUIRE, "l"), (WRITE, "x")],
            [(READ, "y"), (READ, "x"), (ACQUIRE, "l"), (RELEASE, "l")],
            [(WRITE, "y"), (WRITE, "z"), (READ, "x")],
        ],
    ],
)  # fmt: skip
def test_what_was_missed_once(program: Program) -> None:
    assert set(traces_of(DPOR(), program)) == traces_by_brute_force(program)


def test_it_is_right() -> None:
    check_strategy(DPOR, is_random=False)


class Counter:
    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def increments(times: int, *, locked: bool) -> Callable[[Counter], None]:
    def work(counter: Counter) -> None:
        for _ in range(times):
            if locked:
                with counter.lock:
                    counter.value += 1
            else:
                counter.value += 1

    return work


@pytest.mark.parametrize(
    ("threads", "times", "locked", "traces"),
    [
        # Orders of the critical sections: 6! / (2! ** 3), and so on.
        (2, 1, True, 2),
        (2, 2, True, 6),
        (3, 2, True, 90),
        (3, 3, True, 1680),
        # Two reads and two writes: either one first, or both read before one writes.
        (2, 1, False, 4),
    ],
)
def test_as_many_executions_as_there_are_traces(
    threads: int, times: int, locked: bool, traces: int
) -> None:
    pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")
    strategy = DPOR()
    exploration = check_threads(
        Counter,
        [increments(times, locked=locked)] * threads,
        lambda counter: True,
        strategy=strategy,
        executions=2000,
    )
    assert exploration.statistics.executions == traces
    assert exploration.reason == "all interleavings were executed"
    assert exploration.verdict is Verdict.HOLDS
    assert strategy.redundant == 0


def outcomes(program: Callable[[list[object]], None], strategy: str) -> tuple[set[str], int]:
    """What comes out of a program in all interleavings, and how many were executed."""
    found: set[str] = set()

    def told() -> None:
        out: list[object] = []
        try:
            program(out)
        finally:
            found.add(repr(out))

    exploration = explore(
        told,
        strategy=strategy,
        executions=60_000,
        stop_on_first=False,
        targets=[__name__],
    )
    ends = {str(finding.kind) for finding in exploration.findings}
    assert exploration.reason == "all interleavings were executed"
    return found | ends, exploration.statistics.executions


def run(*works: Callable[[], object]) -> None:
    """Each in a thread of its own; without the steps that it takes to start and join them."""
    fork_join([(lambda _, work=work: work(), "work") for work in works], None)


def pulsed(out: list[object]) -> None:
    """Whoever comes to an event after the pulse waits for ever."""
    event = threading.Event()

    def pulse() -> None:
        event.set()
        event.clear()

    run(pulse, lambda: out.append(event.wait(1)))


def handed_over(out: list[object]) -> None:
    condition, items = threading.Condition(), []

    def give() -> None:
        with condition:
            items.append(1)
            condition.notify()

    def take() -> None:
        with condition:
            if not items:
                out.append("waits")
                condition.wait()
            out.append(len(items))

    run(give, take)


def limited(out: list[object]) -> None:
    permits = threading.Semaphore(1)

    def work(name: str) -> None:
        with permits:
            out.append(name)

    run(lambda: work("a"), lambda: work("b"))


def tried(out: list[object]) -> None:
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            out.append("held")

    run(hold, lambda: out.append(lock.acquire(blocking=False)))


def crossed(out: list[object]) -> None:
    one, other = threading.Lock(), threading.Lock()

    def both(first: threading.Lock, second: threading.Lock) -> None:
        with first, second:
            out.append(1)

    run(lambda: both(one, other), lambda: both(other, one))


def slept(out: list[object]) -> None:
    import time

    def late(name: str, seconds: float) -> None:
        time.sleep(seconds)
        out.append(name)

    run(lambda: late("a", 1), lambda: late("b", 1), lambda: late("c", 2))


def compared(out: list[object]) -> None:
    """Lists are read where they are compared."""
    items: list[int] = []
    run(lambda: items.append(1), lambda: out.append(items == [1]))


def joined_late(out: list[object]) -> None:
    """Who is waited for in the middle."""
    box = [0]

    def write() -> None:
        box[0] = 1

    first = threading.Thread(target=write)
    first.start()
    other = threading.Thread(target=lambda: out.append(box[0]))
    other.start()
    first.join()
    out.append(box[0])
    other.join()


PROGRAMS = (
    pulsed, handed_over, limited, tried, crossed, slept, compared, joined_late,
)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_comes_out_of_all_interleavings(program: Callable[[list[object]], None]) -> None:
    pytest.importorskip("greenlet", reason="on threads of the system it takes minutes")
    everything, many = outcomes(program, "dfs")
    reduced, few = outcomes(program, "dpor")
    assert reduced == everything
    assert few < many
    assert len(everything) > 1, "nothing here is for the schedule to decide"


def test_of_threads_that_nobody_waits_for_it_claims_nothing() -> None:
    def program() -> None:
        box = [0]

        def work() -> None:
            box[0] = 1

        threading.Thread(target=work, daemon=True).start()
        box[0] += 1

    exploration = explore(program, strategy="dpor", executions=500)
    assert exploration.reason == "the strategy has nothing left to try"
    assert not exploration.statistics.complete


def test_a_program_that_does_not_do_the_same_twice_is_told() -> None:
    strategy = DPOR()
    assert executed_under(strategy, 0, [[(WRITE, "x")]] * 2)
    assert strategy.begin(1)
    pending = [Pending(0, _site(WRITE, "x"), _Numbers())]
    with pytest.raises(ScheduleDiverged, match=r"step 0: task 1 went on .* ready tasks are"):
        strategy.choose([0], pending, None)


def test_a_finding_of_it_replays_as_any_other() -> None:
    from stress import replay

    def program() -> None:
        crossed([])

    exploration = explore(program, strategy="dpor", targets=[__name__])
    (finding,) = exploration.findings
    again = replay(program, finding, targets=[__name__])
    assert [f.fingerprint for f in again.findings] == [finding.fingerprint]
