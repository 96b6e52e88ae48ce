"""Parallel execution, looked on at: what real threads do, for the detectors of `stress.detect`.

What is in this file needs nothing of the extra `explore`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from stress.errors import InvalidArgument
from stress.finding import Violation

#: Detectors that need no other execution to be sure.
OBSERVERS = ("races", "atomicity", "leaks")
_LOCK_ORDER = "lock-order"


@dataclass
class Observed:
    """What detectors have found, when the block is over in which they looked on."""

    violations: list[Violation] = field(default_factory=list)


def check_observers(names: Collection[str]) -> None:
    """Raises InvalidArgument for detectors that cannot look at parallel execution."""
    for name in names:
        if name == _LOCK_ORDER:
            raise InvalidArgument(
                f"detector {name!r} has to make other executions; use `hermes-stress explore`"
            )
        if name not in OBSERVERS:
            raise InvalidArgument(
                f"there is no detector {name!r}; choose of {', '.join(OBSERVERS)}"
            )
