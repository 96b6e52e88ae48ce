"""The hooks of parallel execution: which operations touch what threads may share.

They tell by the same rules as those of controlled execution, and enter it in a log.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from stress.conflicts import CONTAINERS
from stress.engine.accesses import (
    HARMLESS,
    INERT_IN_MODULES,
    THROUGH,
    ModuleNames,
    NoModuleNames,
    is_keyed,
    look_at,
)
from stress.engine.iterators import VIEWS, container_of, goes_through
from stress.observe.log import Log
from stress.site import Site


class AccessLog:
    """Enters accesses and calls. `module_names` is set when the code is known."""

    def __init__(self, log: Log) -> None:
        self.module_names: ModuleNames = NoModuleNames()
        self._log = log
        self._by_type: dict[type, object] = {}

    def access(self, site: Site, subject: Any, key: object = None) -> None:
        """Attributes, items, iteration."""
        made = type(subject)
        untouching = self._by_type.get(made, self)
        if untouching is self:
            untouching = self._by_type[made] = look_at(made)
        second = None
        if untouching is THROUGH:
            if site.kind == "read":
                return
            second = container_of(subject)
            if made in VIEWS:
                subject, second = second, None
            if subject is None:
                return
        elif untouching is not None:
            if site.name in untouching and not (  # type: ignore[operator]
                made is dict and "__builtins__" in subject
            ):
                return
        elif isinstance(subject, types.ModuleType) and self._is_assigned(site, subject):
            subject = subject.__dict__
        else:
            return
        self._log.access(site, subject, second, key, sys._getframe(1))

    def call(self, site: Site, function: Any, argument: Any) -> None:
        """Methods of containers, and builtins that are given one."""
        made = type(function)
        second = key = None
        if made is types.BuiltinFunctionType:
            subject = function.__self__
            if isinstance(subject, CONTAINERS):
                second = argument if isinstance(argument, CONTAINERS) else None
                key = argument if is_keyed(function) else None
            else:
                subject = argument
        elif made is type:
            subject = argument
        else:
            return
        if type(subject) in VIEWS or goes_through(type(subject)):
            subject = container_of(subject)
        if not isinstance(subject, CONTAINERS) or function.__name__ in HARMLESS:
            return
        self._log.access(site, subject, second, key, sys._getframe(1))

    def _is_assigned(self, site: Site, module: types.ModuleType) -> bool:
        names = module.__dict__
        return site.name in self.module_names.of(names) and not isinstance(
            names.get(site.name), INERT_IN_MODULES
        )
