"""Locks, queues and locals that were made before the exploration, shadowed by models.

What the program can reach from its modules is walked once, and every place that holds a real
primitive holds a model of it for the length of the exploration. The real one lives on behind the
model: threads that are not under control go on using it, and tasks take it where the model says
that the call succeeds.
"""

from __future__ import annotations

import _queue
import _thread
import builtins
import functools
import gc
import logging
import sys
import threading
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from stress.engine.context import context
from stress.engine.locks import Lock, RLock, SimpleQueue
from stress.engine.threads import Local

_LOCK, _RLOCK, _LOCAL = type(_thread.allocate_lock()), _thread.RLock, _thread._local
_MODELS: dict[type, Callable[[Any], Any]] = {
    _LOCK: Lock.shadowing,
    _RLOCK: RLock.shadowing,
    _queue.SimpleQueue: SimpleQueue,
    _LOCAL: Local.shadowing,
}
#: What may have a model: those, and their methods.
_KINDS = frozenset({*_MODELS, types.BuiltinMethodType})
#: Modules of the standard library that hold locks while they call what a program gave them.
_LIBRARY = (logging,)
_OBJECTS_MAX = 200_000
#: Who runs us holds much, and nothing of the program's.
_NOT_OURS = (
    "stress.engine",
    "stress.parallel",
    "stress.observe",
    "_pytest.",
    "pluggy.",
    "xdist.",
    "execnet.",
)
_SCENES, _MADE_OF_CODE = (types.ModuleType, types.FrameType), (type, types.FunctionType)
_PLAIN = frozenset({str, bytes, int, float, complex, bool, type(None), range, types.CodeType})
#: Every module has them: as long as nobody has added any, they hold nothing.
_BUILT_IN = len(vars(builtins))


class Shadows:
    """Puts models in the place of primitives that are there already, and takes them out again."""

    def __init__(
        self,
        factories: Mapping[int, Any] | None = None,
        models: Mapping[type, Callable[[Any], Any]] = _MODELS,
    ) -> None:
        #: What stands for functions that make primitives or tell the time, by identity of those:
        #: `field(default_factory=threading.Lock)` keeps one where no module has it.
        self._factories = factories or {}
        self._made_by = models
        self._models: dict[int, Any] = {}
        # Held, so that no other object comes to have the identity of one.
        self._reals: list[Any] = []
        self._undo: list[Callable[[], None]] = []
        self._modules: set[str] = set()
        #: Whether some could not be replaced: instrumented code takes care of those.
        self.left_some = False
        #: Threads that the program can reach and that are not under control, by name.
        self.outsiders: list[str] = []

    def enter(self, targets: Collection[str], program: Callable[..., object] | None) -> None:
        """Replace what can be reached from the target modules and from the program."""
        inside = tuple(f"{target}." for target in targets)
        modules = [
            module
            for name, module in list(sys.modules.items())
            if (name in targets or name.startswith(inside)) and isinstance(module, types.ModuleType)
        ]
        self._modules = {module.__name__ for module in modules}
        self.left_some = any(cls.__module__ in self._modules for cls in _LOCAL.__subclasses__())
        self._walk([*(m.__dict__ for m in (*modules, *_LIBRARY)), program])
        for holder in context.living.holders:
            self._replace_in(holder)

    def leave(self) -> None:
        """Put the real ones back where they were."""
        for undo in reversed(self._undo):
            undo()
        for model in self._models.values():
            if isinstance(model, SimpleQueue):
                model.give_back()
        self._undo.clear()
        self._models.clear()
        self._reals.clear()

    def _walk(self, roots: Iterable[Any]) -> None:
        seen: set[int] = set()
        if len(vars(builtins)) == _BUILT_IN:
            seen.add(id(vars(builtins)))
        pending = list(roots)
        while pending and len(seen) < _OBJECTS_MAX:
            found = pending.pop()
            if type(found) in _PLAIN or id(found) in seen:
                continue
            seen.add(id(found))
            if self._is_border(found):
                continue
            parts = _parts(found)
            if self._may_matter(parts) and any(self._model_of(p) is not None for p in parts):
                self._replace_in(found)
                parts = _parts(found)
                self.left_some |= any(
                    type(part) in self._made_by or id(part) in self._factories for part in parts
                )
            pending.extend(parts)

    def _may_matter(self, parts: list[Any]) -> bool:
        """Nearly never: that is found out without a loop of ours."""
        return not (
            _KINDS.isdisjoint(map(type, parts))
            and self._factories.keys().isdisjoint(map(id, parts))
        )

    def _is_border(self, found: Any) -> bool:
        """Whether a walk goes no further here: it would come to everything there is."""
        if isinstance(found, _SCENES):
            return True
        if isinstance(found, _MADE_OF_CODE):
            return found.__module__ not in self._modules
        if isinstance(found, threading.Thread):
            if found.is_alive() and found is not threading.main_thread():
                self.outsiders.append(found.name)
            return True
        return isinstance(found, context.__class__) or type(found).__module__.startswith(_NOT_OURS)

    def _model_of(self, part: Any) -> Any:
        """The model that stands for a real primitive, or its method for a method of one."""
        factory = self._factories.get(id(part))
        if factory is not None:
            return factory
        made = type(part)
        if made in self._made_by:
            model = self._models.get(id(part))
            if model is None:
                model = self._models[id(part)] = self._made_by[made](part)
                self._reals.append(part)
            return model
        if made is types.BuiltinMethodType and type(part.__self__) in self._made_by:
            return getattr(self._model_of(part.__self__), part.__name__, None)
        return None

    def _replace_in(self, holder: Any) -> None:
        if type(holder) is dict or isinstance(holder, dict):
            self._replace_items(holder, list(holder.items()))
        elif isinstance(holder, list):
            self._replace_items(holder, list(enumerate(holder)))
        elif isinstance(holder, types.CellType):
            self._replace(holder, "cell_contents", holder.cell_contents)
        elif isinstance(holder, type):
            for name, value in list(vars(holder).items()):
                self._replace(holder, name, value)
        elif isinstance(holder, types.FunctionType):
            self._replace_defaults(holder)
        else:
            self._replace_attributes(holder)

    def _replace_items(self, holder: Any, items: Iterable[tuple[Any, Any]]) -> None:
        for key, value in items:
            model = self._model_of(value)
            if model is not None:
                holder[key] = model
                self._undo.append(functools.partial(_put_back, holder, key, value, model))

    def _replace_defaults(self, function: types.FunctionType) -> None:
        defaults = function.__defaults__
        if defaults is not None and any(self._model_of(value) is not None for value in defaults):
            function.__defaults__ = tuple(
                value if (model := self._model_of(value)) is None else model for value in defaults
            )
            self._undo.append(lambda: setattr(function, "__defaults__", defaults))

    def _replace_attributes(self, holder: Any) -> None:
        names = getattr(holder, "__dict__", None)
        if isinstance(names, dict):
            self._replace_items(names, list(names.items()))
        for cls in type(holder).__mro__:
            for name, slot in vars(cls).items():
                if isinstance(slot, types.MemberDescriptorType):
                    try:
                        value = slot.__get__(holder, type(holder))
                    except AttributeError:
                        continue
                    if self._model_of(value) is not None:
                        self._set_slot(holder, name, slot, value)

    def _set_slot(self, holder: Any, name: str, slot: Any, value: Any) -> None:
        try:
            slot.__set__(holder, self._model_of(value))
        except (AttributeError, TypeError):
            return  # Read only, and of a class in C: whoever uses it is told so.
        self._undo.append(lambda: slot.__set__(holder, value))

    def _replace(self, holder: Any, name: str, value: Any) -> None:
        model = self._model_of(value)
        if model is not None:
            try:
                setattr(holder, name, model)
            except (AttributeError, TypeError):
                return
            self._undo.append(lambda: setattr(holder, name, value))


def _parts(found: Any) -> list[Any]:
    """What an object holds. Not the dictionary of a class: a change there must go by the class,
    which remembers what it has looked up."""
    if isinstance(found, type):
        return list(vars(found).values())
    parts = gc.get_referents(found)
    if isinstance(found, types.FunctionType):
        parts += found.__defaults__ or ()
    return parts


def _put_back(holder: Any, key: Any, value: Any, model: Any) -> None:
    """The real thing again, unless the program has put something else there since."""
    try:
        if holder[key] is model or holder[key] == model:
            holder[key] = value
    except LookupError:
        pass
