"""The options of controlled execution, and where a finding says it is from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from stress.controlled import Laboratory
from stress.errors import InvalidArgument
from stress.judge import Origin

CARRIERS = ("auto", "greenlet", "thread")


def options_of(
    settings: Mapping[str, Any],
    targets: Collection[str] | None,
    carrier: str | None,
    step_limit: int | None,
) -> tuple[Collection[str] | None, str, int]:
    """The options to execute a finding with: those that are given, and else its own."""
    if targets is None and "targets" in settings:
        targets = tuple(settings["targets"])
    if carrier is None:
        # Both carriers do the same; threads can do more, and greenlets are not everywhere.
        carrier = "thread" if settings.get("carrier") == "thread" else "auto"
    if step_limit is None:
        step_limit = int(settings.get("step_limit", 100_000))
    return targets, carrier, step_limit


def check_options(
    executions: int,
    step_limit: int,
    time_limit_s: float | None,
    carrier: str,
    saturation: int | None = None,
) -> None:
    """Raises InvalidArgument for options that cannot be."""
    if executions < 1:
        raise InvalidArgument(f"executions is {executions}; it must be above 0")
    if step_limit < 1:
        raise InvalidArgument(f"step_limit is {step_limit}; it must be above 0")
    if time_limit_s is not None and not time_limit_s > 0:
        raise InvalidArgument(f"time_limit_s is {time_limit_s}; it must be above 0")
    if saturation is not None and saturation < 1:
        raise InvalidArgument(f"saturation is {saturation}; it must be above 0")
    if carrier not in CARRIERS:
        raise InvalidArgument(
            f"there is no carrier {carrier!r}; choose one of {', '.join(CARRIERS)}"
        )


def origin_of(program: Callable[[], object], lab: Laboratory, step_limit: int) -> Origin:
    """Where findings of a program are from, and the options that they are found with."""
    module = str(getattr(program, "__module__", ""))
    name = name_of(program)
    if "<" not in name and _named(module, name) is not program:
        # Say, a method of an object: that name would lead elsewhere.
        name = f"<{name}>"
    return Origin(
        workload=f"{module}:{name}",
        target=module,
        settings={
            "targets": sorted(lab.targets),
            "carrier": lab.carrier,
            "step_limit": step_limit,
        },
    )


def _named(module: str, name: str) -> object:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def name_of(function: Any) -> str:
    """The qualified name of a callable, or of its class."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))
