"""Which functions there are: the living ones of the target modules, and that of a program."""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator
from types import CellType, FunctionType, MethodType
from typing import Any

_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
_OURS = "stress"
_PROGRAMS_OF_OURS = ("stress.workloads", "stress.mutants")


def is_target(module: str, targets: Collection[str]) -> bool:
    """Is it one of the targets, or inside one? Never the harness, but for what it runs."""
    if _is_in(module, (_OURS,)) and not _is_in(module, _PROGRAMS_OF_OURS):
        return False
    return _is_in(module, targets)


def _is_in(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def module_of(function: FunctionType) -> str:
    """Name of the module whose globals it sees: a decorator gives it that of another."""
    name = function.__globals__.get("__name__")
    return name if isinstance(name, str) else ""


def living_functions() -> list[FunctionType]:
    """Every function of the process, wherever it is."""
    found = [thing for thing in gc.get_objects() if type(thing) is FunctionType]
    if _FREE_THREADED:
        # There the collector forgets functions, classes and modules that live on, once there is a
        # second thread. They are still what the modules have.
        known = {id(function): function for function in (*found, *_functions_of_modules())}
        found = list(known.values())
    return found


def _functions_of_modules() -> Iterator[FunctionType]:
    """What is written in modules and in their classes, and what that has closed over."""
    seen: set[int] = set()
    pending: list[Any] = [
        value for module in list(sys.modules.values()) for value in list(_names_of(module))
    ]
    while pending:
        thing = pending.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            yield thing
            pending += [cell.cell_contents for cell in thing.__closure__ or () if _is_full(cell)]
            pending += vars(thing).values()
        elif isinstance(thing, type):
            pending += vars(thing).values()
        elif isinstance(thing, staticmethod | classmethod | MethodType):
            pending.append(thing.__func__)
        elif isinstance(thing, property):
            pending += (thing.fget, thing.fset, thing.fdel)
        elif isinstance(thing, functools.partial | functools.cached_property):
            pending.append(thing.func)
        elif isinstance(thing, functools._lru_cache_wrapper):
            pending.append(thing.__wrapped__)


def _names_of(module: Any) -> Iterable[Any]:
    names = getattr(module, "__dict__", None)
    return names.values() if isinstance(names, dict) else ()


def _is_full(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


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
