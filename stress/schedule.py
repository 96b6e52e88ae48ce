"""Schedules: the ordered choices of one execution, which replay it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stress.errors import InvalidArgument

FORMAT = "hermes-stress schedule"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One real choice: the task that was taken, what it was about to do, and who else was ready.

    Of a choice the task replays; the rest is there to notice where a replay diverges.
    """

    task: int
    kind: str
    ready: tuple[int, ...]

    def __str__(self) -> str:
        return f"task {self.task} about to {self.kind}, of tasks {', '.join(map(str, self.ready))}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The seed of an execution and its choices, in order."""

    seed: int
    choices: tuple[Choice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The schedule as JSON values; it says of itself what it is."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "seed": self.seed,
            "choices": [[choice.task, choice.kind, list(choice.ready)] for choice in self.choices],
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
            choices = tuple(
                Choice(int(task), str(kind), tuple(map(int, ready)))
                for task, kind, ready in value["choices"]
            )
            return cls(int(value["seed"]), choices)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(f"this schedule is damaged: {error!r}") from error
