"""Which functions are asked for: those of the target modules, and that of a program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from types import FunctionType, MethodType
from typing import Any

_OURS = "stress"
_PROGRAMS_OF_OURS = ("stress.workloads", "stress.mutants")


def is_target(module: str, targets: Collection[str]) -> bool:
    """Is it one of the targets, or inside one? Never the harness, but for what it runs."""
    if not _is_in(module, targets):
        return False
    return not _is_in(module, (_OURS,)) or _is_in(module, _PROGRAMS_OF_OURS)


def _is_in(module: str, packages: Collection[str]) -> bool:
    while module:
        if module in packages:
            return True
        module = module.rpartition(".")[0]
    return False


def function_of(program: Callable[..., Any] | None) -> FunctionType | None:
    """The function that runs when a program is called; None if that is not written in Python."""
    found: Any = program
    while True:
        if isinstance(found, functools.partial):
            found = found.func
        elif isinstance(found, MethodType):
            found = found.__func__
        elif isinstance(found, FunctionType):
            return found
        elif isinstance(found, staticmethod | classmethod):
            found = found.__func__
        elif isinstance(found, functools._lru_cache_wrapper):
            found = found.__wrapped__
        else:
            call = inspect.getattr_static(type(found), "__call__", None)
            return call if isinstance(call, FunctionType) else None
