"""The hook that instrumented code calls: which accesses are scheduling points."""

from __future__ import annotations

import functools
from collections import OrderedDict, deque
from types import (
    BuiltinFunctionType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from stress.engine.context import running_or_none
from stress.engine.locks import Lock

#: Their methods are accesses to them as a whole.
CONTAINERS = (list, dict, set, deque, bytearray, OrderedDict)
#: Nothing of them changes, or what changes is a model with points of its own.
_INERT = (
    ModuleType, FunctionType, MethodType, BuiltinFunctionType, GeneratorType, Lock, str, bytes,
    int, float, tuple, frozenset, range, type(None),
)  # fmt: skip


def access(kind: str, subject: Any, name: str) -> None:
    """A scheduling point where a task of a running execution is about to touch shared state."""
    execution = running_or_none()
    if execution is None or execution.current is None:
        return
    if subject is not None:
        made: Any = type(subject)
        if issubclass(made, _INERT) or (name and name in methods(made)):
            return
    execution.point(kind, subject)


@functools.lru_cache(maxsize=4096)
def methods(made: type[Any]) -> frozenset[str]:
    """Names that give a method of the class: looking one up touches no state of an instance."""
    if issubclass(made, CONTAINERS):
        return frozenset()
    found: dict[str, Any] = {}
    for base in reversed(made.__mro__):
        found.update(vars(base))
    return frozenset(
        name
        for name, value in found.items()
        if callable(value) or isinstance(value, classmethod | staticmethod | property)
        if not isinstance(value, MemberDescriptorType)
    )
