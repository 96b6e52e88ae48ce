"""The hook that instrumented code calls: it says which accesses are scheduling points."""

from __future__ import annotations

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

from stress.engine.context import context
from stress.engine.instrument import Hook
from stress.engine.locks import Lock

#: Their methods are accesses to them as a whole.
CONTAINERS = (list, dict, set, deque, bytearray, OrderedDict)
#: Nothing of them changes, or what changes is a model with points of its own.
_INERT = (
    ModuleType, FunctionType, MethodType, BuiltinFunctionType, GeneratorType, Lock, str, bytes,
    int, float, tuple, frozenset, range, type(None),
)  # fmt: skip


def make_access() -> Hook:
    """The hook of one exploration; it remembers what it has seen of classes."""
    by_type: dict[Any, frozenset[str] | None] = {}

    def access(kind: str, subject: Any, name: str) -> None:
        """A scheduling point where a task is about to touch shared state."""
        execution = context.execution
        if execution is None or execution.current is None:
            return
        if subject is not None:
            made = type(subject)
            try:
                untouching = by_type[made]
            except KeyError:
                untouching = by_type[made] = _look_at(made)
            if untouching is None or name in untouching:
                return
        execution.point(kind, subject)

    return access


def _look_at(made: type[Any]) -> frozenset[str] | None:
    """Names whose look-up on an instance touches no state of it; None where nothing does."""
    return None if issubclass(made, _INERT) else methods(made)


def methods(made: type[Any]) -> frozenset[str]:
    """Names that give a method of the class; none for containers, whose methods are accesses."""
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
