"""`sqlite3` under control: how it is put in place, without importing what a program never uses.

The models stand in `sqlite_models` and `sqlite_cursors`; who waits for which database is kept in
`sqlite_waits`. All are imported with `sqlite3`, and never before it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: What other modules may have taken by name; also those that `sqlite3` itself consists of.
_NAMES = ("connect", "Connection", "Cursor")
_MODULES = ("sqlite3", "sqlite3.dbapi2", "_sqlite3")


def shared_names() -> dict[Any, tuple[str, ...]]:
    """The module `sqlite3`, where the program has it, and what others may have taken from it."""
    return {sys.modules["sqlite3"]: _NAMES} if "sqlite3" in sys.modules else {}


def replaced_names() -> dict[Any, dict[str, Any]]:
    """What stands for which name of the module `sqlite3`, where the program has it."""
    return {sys.modules["sqlite3"]: _models()} if "sqlite3" in sys.modules else {}


def enter() -> Callable[[], None]:
    """Put in place what names do not reach; the result takes it away again.

    Where the program has not imported `sqlite3` yet, the import puts the names in place: after
    it, the first line of the program that uses them would be too late.
    """
    undo: list[Callable[[], None]] = []
    if "sqlite3" in sys.modules:
        undo += _lead_subclasses()
    else:
        finder = _Finder(undo)
        sys.meta_path.insert(0, finder)
        undo.append(lambda: sys.meta_path.remove(finder) if finder in sys.meta_path else None)

    def leave() -> None:
        for step in reversed(undo):
            step()

    return leave


def _models() -> dict[str, Any]:
    from stress.engine.sqlite_cursors import Cursor
    from stress.engine.sqlite_models import Connection, connect

    return {"connect": connect, "Connection": Connection, "Cursor": Cursor}


def _lead_subclasses() -> list[Callable[[], None]]:
    """Classes that the program has derived from the real ones come to be derived from ours.

    Theirs must have room for what we keep with each object: a class with slots mostly has not.
    """
    from stress.engine.sqlite_models import BASES

    undo: list[Callable[[], None]] = []
    for real, base in BASES.items():
        for cls in type.__subclasses__(real):
            if cls is base or not cls.__dictoffset__ or not cls.__weakrefoffset__:
                continue
            bases = cls.__bases__
            undo.append(functools.partial(setattr, cls, "__bases__", bases))
            cls.__bases__ = tuple(base if one is real else one for one in bases)
    return undo


class _Finder:
    """Finds `sqlite3` as others do, and has the names replaced when it is loaded."""

    def __init__(self, undo: list[Callable[[], None]]) -> None:
        self._undo = undo

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the next finder has for `sqlite3`; None for all others."""
        if name != "sqlite3":
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                loader: Any = _Loader(spec.loader, self.loaded)
                spec.loader = loader
                return spec
        return None

    def loaded(self) -> None:
        """`sqlite3` was imported: replace its names, once."""
        if self not in sys.meta_path:
            return
        sys.meta_path.remove(self)
        models = _models()
        for module in _MODULES:
            names = sys.modules[module].__dict__
            for name, model in models.items():
                self._undo.append(functools.partial(names.__setitem__, name, names[name]))
                names[name] = model


class _Loader:
    """Stands before the loader of a module until the module is run."""

    def __init__(self, loader: Any, loaded: Callable[[], None]) -> None:
        self._loader = loader
        self._loaded = loaded

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As its own loader has it."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, as if its own loader had been asked."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._loaded()
