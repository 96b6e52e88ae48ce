"""What a family of operations is, and the stage on which a plan is performed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stress.finding import Violation
from stress.oracles.delegation import Built, ModelCall
from stress.oracles.history import Call
from stress.plan import Actor, Operation, Plan
from stress.trial import Recorder

#: Threads that perform a plan are named with this prefix; oracles tell callers from workers by it.
ACTOR_PREFIX = "actor "


@dataclass
class Observations:
    """What the probes saw during one trial. Appending to a list is atomic in CPython."""

    built: list[Built] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    model_calls: list[ModelCall] = field(default_factory=list)
    uncaught: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Stage:
    """Everything that the operations of one trial share. Made and closed by `perform`.

    `store` is the one SessionDB object that all agents share; `states` holds what each family
    opened. `directory` is private to the trial.
    """

    plan: Plan
    directory: Path
    recorder: Recorder
    store: Any
    observations: Observations
    states: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """Operations that share a state and are judged together.

    `open(stage)` runs before the actors start and returns the family's state; `close(state)`
    releases it. Each handler takes the state, the actor's name and the operation and returns
    JSON values; an exception that it lets out is a finding. `judge` runs after the actors ended
    and before anything is closed.
    """

    name: str
    open: Callable[[Stage], Any]
    close: Callable[[Any], None]
    handlers: Mapping[str, Callable[[Any, str, Operation], Any]]
    judge: Callable[[Any, Sequence[Call]], Iterable[Violation]]


@dataclass(frozen=True)
class Workload:
    """A way to draw plans. The plan of a seed and size is always the same."""

    name: str
    summary: str
    draw_actors: Callable[
        [random.Random, int], Iterable[tuple[str, list[tuple[str, dict[str, Any]]]]]
    ]

    def draw(self, seed: int, size: int) -> Plan:
        """The plan of this seed. `size` 1 is a smoke; cost grows about linearly with it."""
        source = random.Random(f"{self.name}/{seed}/{size}")
        step = 0
        actors: list[Actor] = []
        for name, drawn in self.draw_actors(source, size):
            operations = []
            for operation, arguments in drawn:
                operations.append(Operation(step, operation, arguments))
                step += 1
            actors.append(Actor(name, tuple(operations)))
        return Plan(self.name, seed, size, tuple(actors))
