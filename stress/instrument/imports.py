"""Modules that are imported while there are hooks get them before their body runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any


class Finder:
    """Finds what the other finders find, and has the target modules loaded by `Loader`."""

    def __init__(
        self,
        is_target: Callable[[str], bool],
        rewrite: Callable[[CodeType, ModuleType], CodeType],
        loaded: Callable[[ModuleType], None],
    ) -> None:
        self._is_target = is_target
        #: Makes of the code of a module what is run instead.
        self.rewrite = rewrite
        #: Called where a loader does not give its code away, when it has run it.
        self.loaded = loaded
        self.is_in_place = False

    def put_in_place(self) -> None:
        """Ask this one first from now on."""
        sys.meta_path.insert(0, self)
        self.is_in_place = True

    def remove(self) -> None:
        """Never ask this one again; finders that others added meanwhile stay."""
        self.is_in_place = False
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the next finder has for a target module; None for all others."""
        if not self._is_target(name):
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    loader: Any = Loader(spec.loader, self)
                    spec.loader = loader
                return spec
        return None

    def invalidate_caches(self) -> None:
        """There are none."""


class Loader:
    """Stands before the loader of a module until the module is run."""

    def __init__(self, loader: Any, finder: Finder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As its own loader has it."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the body of the module, with hooks where its loader gives its code away."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        code = self._code(module.__name__) if self._finder.is_in_place else None
        if code is not None:
            exec(self._finder.rewrite(code, module), module.__dict__)
            return
        self._loader.exec_module(module)
        if self._finder.is_in_place:
            self._finder.loaded(module)

    def _code(self, name: str) -> CodeType | None:
        """The code that its loader would run; None where that does more than run it."""
        if not self._loader.exec_module.__module__.startswith(("importlib.", "_frozen_importlib")):
            return None
        get_code = getattr(self._loader, "get_code", None)
        code = get_code(name) if get_code is not None else None
        return code if isinstance(code, CodeType) else None
