"""Steps of executions that never were: programs executed by a few lines, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from stress.site import Site
from stress.steps import Step

READ, WRITE, ACQUIRE, RELEASE, SET, WAIT = "read", "write", "acquire", "release", "set", "wait"
_MODELS = {ACQUIRE: "Lock", RELEASE: "Lock", SET: "Event", WAIT: "Event"}
#: Kind, object.
Operation = tuple[str, str]
Program = Sequence[Sequence[Operation]]
_NUMBERS = {name: number for number, name in enumerate("xyzlme", 1)}


@dataclass
class Machine:
    """Executes a program step by step. All its tasks are there from the beginning."""

    program: Program
    done: list[int] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    is_set: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    #: Of each step, its task and its place in it: the name of it in every order.
    names: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done = [0] * len(self.program)

    def ready(self) -> list[int]:
        """Tasks that could go on."""
        found = []
        for task, operations in enumerate(self.program):
            if self.done[task] < len(operations):
                kind, what = operations[self.done[task]]
                if kind == ACQUIRE and what in self.held:
                    continue
                if kind == WAIT and what not in self.is_set:
                    continue
                found.append(task)
        return found

    def make(self, task: int) -> None:
        """The next step of a task."""
        place = self.done[task]
        kind, what = self.program[task][place]
        self.done[task] += 1
        if kind == ACQUIRE:
            self.held[what] = task
        elif kind == RELEASE:
            del self.held[what]
        elif kind == SET:
            self.is_set.add(what)
        self.names.append((task, place))
        self.steps.append(step(task, kind, what, place, len(self.program)))


def step(task: int, kind: str, what: str, place: int = 0, born: int = 2) -> Step:
    """One step; each place of each task is a place in the source."""
    waits = kind in (ACQUIRE, WAIT)
    return Step(task, site(task, kind, what, place), _NUMBERS[what], 0, waits, "", born, ())


_SITES: dict[tuple[int, str, str, int], Site] = {}


def site(task: int, kind: str, what: str, place: int) -> Site:
    """The same one for the same operation."""
    key = (task, kind, what, place)
    if key not in _SITES:
        model = _MODELS.get(kind)
        _SITES[key] = (
            Site(kind, model, "", "", "", 0, 0)
            if model
            else Site(kind, what, f"work_{task}", "m", "m.py", place + 1, 0)
        )
    return _SITES[key]


def executed(program: Program, draws: Iterable[int]) -> Machine:
    """The order that draws say, each of them taken modulo the number of ready tasks."""
    machine = Machine(program)
    for draw in draws:
        ready = machine.ready()
        if not ready:
            break
        machine.make(ready[draw % len(ready)])
    return machine


def _flat(blocks: list[list[Operation]]) -> list[Operation]:
    return [operation for block in blocks for operation in block]


_plain = st.builds(
    lambda kind, what: [(kind, what)], st.sampled_from([READ, WRITE]), st.sampled_from("xyz")
)
_locked = st.builds(
    lambda lock, body: [(ACQUIRE, lock), *_flat(body), (RELEASE, lock)],
    st.sampled_from("lm"),
    st.lists(_plain, max_size=3),
)
_signal = st.sampled_from([[(SET, "e")], [(WAIT, "e")]])
_task = st.lists(st.one_of(_plain, _plain, _locked, _signal), min_size=1, max_size=4).map(_flat)
programs = st.lists(_task, min_size=2, max_size=3)
orders = st.lists(st.integers(0, 2), min_size=40, max_size=40)
