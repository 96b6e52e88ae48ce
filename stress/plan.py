"""A plan: what a program does, as plain data drawn from one integer seed.

A plan says nothing about who runs first: that is the business of a schedule (controlled
execution) or of the operating system and injected noise (parallel execution). The same plan is
run either way. This file imports nothing of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing an actor does: `name` is `family.verb`, `step` is unique within the plan."""

    step: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """One thread of the program and its operations, in order."""

    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Actors that start together. `size` is the one knob that scales a plan (1 is a smoke)."""

    workload: str
    seed: int
    size: int
    actors: tuple[Actor, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of every actor, actor by actor."""
        return tuple(operation for actor in self.actors for operation in actor.operations)

    def to_json(self) -> dict[str, Json]:
        """The plan as JSON values; `Plan.from_json` gives an equal plan back."""
        return {
            "workload": self.workload,
            "seed": self.seed,
            "size": self.size,
            "actors": [
                {
                    "name": actor.name,
                    "operations": [
                        {"step": op.step, "name": op.name, "arguments": dict(op.arguments)}
                        for op in actor.operations
                    ],
                }
                for actor in self.actors
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError on foreign data."""
        return cls(
            workload=str(value["workload"]),
            seed=int(value["seed"]),
            size=int(value["size"]),
            actors=tuple(
                Actor(
                    name=str(actor["name"]),
                    operations=tuple(
                        Operation(int(op["step"]), str(op["name"]), dict(op["arguments"]))
                        for op in actor["operations"]
                    ),
                )
                for actor in cast("Sequence[Mapping[str, Any]]", value["actors"])
            ),
        )

    def describe(self, width: int = 96) -> str:
        """The plan for a person: an actor a heading, an operation a line."""
        lines = [f"plan {self.workload} · seed {self.seed} · size {self.size}"]
        for actor in self.actors:
            lines.append(f"  {actor.name}")
            for op in actor.operations:
                arguments = json.dumps(dict(op.arguments), ensure_ascii=False, sort_keys=True)
                line = f"    {op.step:>3} {op.name} {arguments}"
                lines.append(line if len(line) <= width else line[: width - 1] + "…")
        return "\n".join(lines)
