"""Finds, explains, replays and keeps out concurrency bugs in threaded Python.

The public doors. They open lazily: importing `stress`, as the pytest plugin does in every test
run, loads neither the engine nor what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stress.errors import FindingsFound as FindingsFound
    from stress.errors import InvalidArgument as InvalidArgument
    from stress.errors import ScheduleDiverged as ScheduleDiverged
    from stress.exploration import Exploration as Exploration
    from stress.exploration import check_threads as check_threads
    from stress.exploration import explore as explore
    from stress.exploration import replay as replay
    from stress.finding import Finding as Finding
    from stress.finding import FindingKind as FindingKind
    from stress.finding import Verdict as Verdict
    from stress.schedule import Schedule as Schedule
    from stress.shrinking import shrink as shrink
    from stress.strategy import Strategy as Strategy

_DOORS = {
    "Exploration": "stress.exploration",
    "Finding": "stress.finding",
    "FindingKind": "stress.finding",
    "FindingsFound": "stress.errors",
    "InvalidArgument": "stress.errors",
    "Schedule": "stress.schedule",
    "ScheduleDiverged": "stress.errors",
    "Strategy": "stress.strategy",
    "Verdict": "stress.finding",
    "check_threads": "stress.exploration",
    "explore": "stress.exploration",
    "replay": "stress.exploration",
    "shrink": "stress.shrinking",
}


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'stress' has no attribute {name!r}")
    if _DOORS[name] in ("stress.exploration", "stress.shrinking"):
        from stress.errors import missing_extra
        from stress.extras import has_bytecode

        if not has_bytecode():
            raise missing_extra(f"stress.{name}", "bytecode")
    found = getattr(importlib.import_module(_DOORS[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_DOORS})
