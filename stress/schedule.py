"""Schedules: the ordered choices of one execution, which replay it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stress.errors import InvalidArgument
from stress.events import Anchor, Event

FORMAT = "hermes-stress schedule"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Switch:
    """From one task to another, at a point where there was a choice.

    `at` is what the task that ran was about to do when it was preempted; None where it could not
    go on, and somebody else had to. `ready` are the tasks that were ready then: where a replay
    finds others, it diverges.
    """

    task: int
    at: Anchor | None
    to: int
    ready: tuple[int, ...]

    def __str__(self) -> str:
        when = "cannot go on" if self.at is None else f"is about to {self.at}"
        return f"when task {self.task} {when}, task {self.to} goes on"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The seed of an execution and its switches, in order; between them tasks run as they can."""

    seed: int
    switches: tuple[Switch, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}", *map(str, self.switches)])

    @property
    def switches_at_release(self) -> bool:
        """Whether it switches at the release of a lock, so that this must be a scheduling point.

        Where it does not, it is all the same whether it is one.
        """
        return any(
            switch.at is not None and switch.at.kind == "release" for switch in self.switches
        )

    @property
    def preemptions(self) -> int:
        """How many switches lead away from a task that could have gone on."""
        return sum(switch.at is not None for switch in self.switches)

    def to_json(self) -> dict[str, Any]:
        """The schedule as JSON values; it says of itself what it is."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "seed": self.seed,
            "switches": [
                {
                    "task": switch.task,
                    "at": None if switch.at is None else _anchor_to_json(switch.at),
                    "to": switch.to,
                    "ready": list(switch.ready),
                }
                for switch in self.switches
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Schedule:
        """Inverse of `to_json`. Raises InvalidArgument on foreign or newer data."""
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            raise InvalidArgument("this is no schedule; give one that hermes-stress wrote")
        version = value.get("format_version")
        if version != FORMAT_VERSION:
            raise InvalidArgument(
                f"this schedule has format {version}, and this hermes-stress reads "
                f"{FORMAT_VERSION}; use the version that wrote it"
            )
        try:
            switches = tuple(
                Switch(
                    task=int(switch["task"]),
                    at=None if switch["at"] is None else _anchor_from_json(switch["at"]),
                    to=int(switch["to"]),
                    ready=tuple(map(int, switch["ready"])),
                )
                for switch in value["switches"]
            )
            return cls(int(value["seed"]), switches)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(f"this schedule is damaged: {error!r}") from error


def schedule_of(seed: int, events: Iterable[Event]) -> Schedule:
    """The schedule of a recorded execution."""
    switches: list[Switch] = []
    running: int | None = None
    for event in events:
        if running is not None and event.task != running and len(event.ready) > 1:
            could_go_on = running in event.ready
            switches.append(
                Switch(
                    task=running,
                    at=event.preempted if could_go_on else None,
                    to=event.task,
                    ready=event.ready,
                )
            )
        running = event.task
    return Schedule(seed, tuple(switches))


def _anchor_to_json(anchor: Anchor) -> list[Any]:
    return [anchor.kind, anchor.name, anchor.function, anchor.occurrence]


def _anchor_from_json(value: Any) -> Anchor:
    kind, name, function, occurrence = value
    return Anchor(str(kind), str(name), str(function), int(occurrence))
