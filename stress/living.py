"""What lives in the process and is of interest: its functions, and who has what makes locks.

To look through all objects takes milliseconds, in a large process many. So what was found stays
known from one exploration to the next, and only what was made since is looked at, as long as the
garbage collector's generations tell the two apart.
"""

from __future__ import annotations

import _thread
import functools
import gc
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import CellType, FunctionType, MethodType
from typing import Any

_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
#: What is new is in the two young generations; later collectors, and those of builds without GIL,
#: have others.
_HAS_GENERATIONS = not _FREE_THREADED and sys.version_info < (3, 14)
#: A function up to Python 3.12, and since then a class.
_MAKERS = (_thread.allocate_lock, threading.Lock)


class Living:
    """Finds functions and holders; `look` first."""

    def __init__(self) -> None:
        #: By the name of the module whose globals they see.
        self._functions: dict[str, list[weakref.ref[FunctionType]]] = {}
        #: Closures and lists that have what makes locks: say, the `__init__` of a dataclass.
        #: Modules have it too, but those are looked through by name.
        self.holders: list[Any] = []
        self._collections: tuple[int, ...] | None = None

    def look(self) -> None:
        """Find everything that lives now. The collector must be at rest."""
        if self._collections is not None and self._collections == _collections():
            # Not in one list of both, which would have itself among them.
            young = gc.get_objects(generation=0)
            young += gc.get_objects(generation=1)
            self.holders += _holders_among(young)
        else:
            self._functions.clear()
            # Before there is a list of everything, which would be one of them.
            self.holders = [one for one in gc.get_referrers(*_MAKERS) if _may_hold(one)]
            young = gc.get_objects()
        self._note(_functions_among(young))
        self._collections = None

    def settle(self) -> int:
        """Know what was made since `gc.freeze` too, and set what that has set apart free; gives
        how many objects were made. What is made from now on is new."""
        new = gc.get_objects()
        if _HAS_GENERATIONS:
            self.holders += _holders_among(new)
            self._note(_functions_among(new))
            gc.freeze()  # What is set free comes into the oldest generation.
            self._collections = _collections()
        gc.unfreeze()
        return len(new)

    def functions(self, wanted: Callable[[str], bool]) -> list[FunctionType]:
        """Those of the modules that are wanted by name."""
        found: list[FunctionType] = []
        for module in filter(wanted, list(self._functions)):
            known = self._functions[module]
            alive = {id(function): function for one in known if (function := one()) is not None}
            self._functions[module] = [weakref.ref(function) for function in alive.values()]
            found += alive.values()
        return found

    def _note(self, functions: Iterable[FunctionType]) -> None:
        for function in functions:
            self._functions.setdefault(module_of(function), []).append(weakref.ref(function))


def module_of(function: FunctionType) -> str:
    """Name of the module whose globals it sees: a decorator gives it that of another."""
    name = function.__globals__.get("__name__")
    return name if isinstance(name, str) else ""


def living_functions() -> list[FunctionType]:
    """Every function of the process, wherever it is, that is not set apart by `gc.freeze`."""
    return _functions_among(gc.get_objects())


def _functions_among(objects: list[Any]) -> list[FunctionType]:
    found = [thing for thing in objects if type(thing) is FunctionType]
    if _FREE_THREADED:
        # There the collector forgets functions, classes and modules that live on, once there is a
        # second thread. They are still what the modules have.
        known = {id(function): function for function in (*found, *_functions_of_modules())}
        found = list(known.values())
    return found


def _collections() -> tuple[int, ...]:
    """How often the collector made young objects old."""
    return tuple(generation["collections"] for generation in gc.get_stats()[1:])


def _may_hold(thing: Any) -> bool:
    # Not by `isinstance`, which would ask the object.
    return type(thing) is CellType or issubclass(type(thing), list)


def _holders_among(objects: list[Any]) -> list[Any]:
    # There are many objects, and few types.
    kinds = {kind for kind in set(map(type, objects)) if kind is CellType or issubclass(kind, list)}
    return [
        one
        for one in objects
        if type(one) in kinds
        and any(part is maker for part in gc.get_referents(one) for maker in _MAKERS)
    ]


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
