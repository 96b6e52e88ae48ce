"""What instrumented code calls: it says which operations are scheduling points, and which are not.

A point is where a task is about to touch what another task could see. Looking up a method, or
calling a Python function, is none: the function's own accesses are.
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Callable, Collection
from typing import Any, Protocol

from stress.conflicts import CONTAINERS
from stress.engine.context import context, controlled
from stress.engine.iterators import VIEWS, container_of, goes_through
from stress.engine.locks import Lock, SimpleQueue
from stress.engine.native_locals import LOCAL, NativeLocals
from stress.engine.threads import Local
from stress.engine.unshadowed import LOCKS, Unshadowed
from stress.site import Site

#: What they do is seen outside of the process, or by whoever shares them.
_OPAQUE = (io.IOBase,)
#: Nothing of them changes, or what changes is a model with points of its own. An iterator over
#: what cannot change belongs, nearly always, to the loop that made it.
_INERT = (
    types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType,
    types.GeneratorType, types.CoroutineType, types.MethodWrapperType, Lock, SimpleQueue, Local,
    *LOCKS, LOCAL, contextlib.redirect_stdout, contextlib.redirect_stderr,
    *(type(iter(made)) for made in ((), "", "é", b"", range(0), range(1 << 70))),
    str, bytes, int, float, complex, tuple, frozenset, range, slice, type(None),
)  # fmt: skip
#: Methods of dictionaries and sets that are about one item.
_KEYED = frozenset({"add", "discard", "get", "pop", "remove", "setdefault"})
#: Of a class whose objects go through others.
THROUGH = object()
#: Builtins that only look at their first argument from outside.
HARMLESS = frozenset({
    "isinstance", "issubclass", "id", "callable", "type", "hash", "format", "getattr", "hasattr",
    "setattr", "delattr", "super", "property", "staticmethod", "classmethod", "object", "range",
})  # fmt: skip

#: Of what modules have, this changes only where somebody sets it right.
INERT_IN_MODULES = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)

Hook = Callable[..., None]


class ModuleNames(Protocol):
    """Names of modules that are assigned: see `stress.instrument.modules`."""

    def of(self, names: dict[str, Any], /) -> Collection[str]: ...


class NoModuleNames:
    """Nobody assigns names of modules."""

    def of(self, names: dict[str, Any], /) -> Collection[str]:
        """None."""
        return ()


class AccessHooks:
    """The hooks of one exploration: for accesses, and for calls.

    `module_names` is set when the code is known.
    """

    def __init__(self) -> None:
        self.module_names: ModuleNames = NoModuleNames()
        self._natives = NativeLocals()
        unshadowed = Unshadowed()
        self.access = make_access(unshadowed, self._natives, self._is_shared)
        self.call = make_call(unshadowed)

    def leave(self) -> None:
        """The exploration is over."""
        self._natives.leave()

    def _is_shared(self, site: Site, module: types.ModuleType) -> bool:
        names = module.__dict__
        return site.name in self.module_names.of(names) and not isinstance(
            names.get(site.name), INERT_IN_MODULES
        )


def make_access(
    unshadowed: Unshadowed,
    natives: NativeLocals,
    is_shared: Callable[[Site, types.ModuleType], bool],
) -> Hook:
    """The hook for attributes, items and iteration; it remembers what it has seen of classes.

    `is_shared` says whether somebody assigns that name of a module.
    """
    by_type: dict[Any, Any] = {}

    def access(site: Site, subject: Any, key: object = None) -> None:
        execution = context.execution
        if execution is None:
            return
        left = execution.left
        if left:
            if left > 0:
                execution.left = left - 1
                return
            execution.left = left + 1
        task = execution.current
        if task is None:
            return
        try:
            untouching = by_type[type(subject)]
        except KeyError:
            untouching = by_type[type(subject)] = look_at(type(subject))
        if untouching is THROUGH:
            _go_through(execution, site, subject, key, left)
            return
        if untouching is not None:
            if site.name in untouching and not (
                type(subject) is dict and "__builtins__" in subject
            ):
                return  # A look-up of a method, and not of a global that has the name of one.
        elif isinstance(subject, types.ModuleType) and is_shared(site, subject):
            # The same place as where the module's own functions find it.
            subject = subject.__dict__
        else:
            if left:
                return
            if site.kind in ("enter", "exit"):
                _enter_or_exit(unshadowed, execution, site, subject)
            elif isinstance(subject, LOCAL) and controlled() is not None:
                natives.come_in(execution, task, subject)
            return
        if context.guarded and controlled() is None:
            return
        if left:
            execution.note(site, subject)
            return
        # `Execution.point`, written out: this is the hot path.
        pending = task.pending
        pending.site = site
        pending.object = subject
        pending.key = key
        execution.steps = steps = execution.steps + 1
        if steps >= execution.checkpoint:
            execution.look_up(task)
        if execution.several:
            execution.decide(task)
        else:
            execution.grant()
        pending.object = pending.key = None

    return access


def _go_through(execution: Any, site: Site, subject: Any, key: object, left: int) -> None:
    """A view stands for what it goes through; an iterator is changed, and that is looked at."""
    container = container_of(subject)
    if type(subject) in VIEWS:
        subject, container = container, None
    if subject is not None and site.kind != "read":
        _pass(execution, site, subject, container, key, left)


def _pass(execution: Any, site: Site, subject: Any, second: object, key: object, left: int) -> None:
    """A point, or what is left of one where many are granted."""
    if context.guarded and controlled() is None:
        return
    if left:
        execution.note(site, subject)
        return
    pending = execution.current.pending
    pending.also, pending.key = second, key
    execution.point(site, subject)
    pending.also = pending.key = None
    if not execution.several:
        execution.grant()


def _enter_or_exit(unshadowed: Unshadowed, execution: Any, site: Site, subject: Any) -> None:
    """`with` over what is no access in itself: a real lock, or a file."""
    if site.kind == "exit" and type(subject) is types.BuiltinMethodType:
        subject = subject.__self__
        if isinstance(subject, _OPAQUE):
            execution.point(site, subject)
    redirect = subject.__self__ if type(subject) is types.MethodType else subject
    if isinstance(redirect, (contextlib.redirect_stdout, contextlib.redirect_stderr)):
        execution.point(site, sys)  # There is one for all.
    if type(subject) in LOCKS:
        method = "__enter__" if site.kind == "enter" else "__exit__"
        unshadowed.before(execution, subject, method, None)


def make_call(unshadowed: Unshadowed) -> Hook:
    """The hook for calls: methods of containers and opaque objects, and builtins given one."""
    shared = (*CONTAINERS, *_OPAQUE)
    kinds: dict[type, bool] = {}

    def call(site: Site, function: Any, argument: Any) -> None:
        execution = context.execution
        if execution is None:
            return
        left = execution.left
        if left:
            if left > 0:
                execution.left = left - 1
                return
            execution.left = left + 1
        if execution.current is None:
            return
        made = type(function)
        if made is types.FunctionType or made is types.MethodType:
            return
        second: object = None
        if made is types.BuiltinFunctionType:
            subject = function.__self__
            if function is print:
                # To where, it looks up when it is called.
                subject, second = sys.stdout, sys
                if not isinstance(subject, _OPAQUE):
                    subject, second = sys, None
            elif type(subject) in LOCKS:
                if not left:
                    unshadowed.before(execution, subject, function.__name__, argument)
                return
            elif subject is None or type(subject) is types.ModuleType:
                if function.__name__ in HARMLESS:
                    return
                subject = argument
            elif argument is not None and isinstance(argument, CONTAINERS):
                # Of a string, say, whose method it is, nothing changes.
                subject, second = (
                    (subject, argument) if isinstance(subject, shared) else (argument, None)
                )
        elif made is type:
            if function.__name__ in HARMLESS:
                return
            subject = argument
        else:
            return
        if type(subject) in VIEWS:
            subject = container_of(subject)
        elif second is None and goes_through(type(subject)):
            second = container_of(subject)
        known = kinds.get(type(subject))
        if known is None:
            known = kinds[type(subject)] = (
                isinstance(subject, shared) or subject is sys or _is_in_c(type(subject))
            )
        if known:
            key = argument if made is types.BuiltinFunctionType and is_keyed(function) else None
            _pass(execution, site, subject, second, key, left)

    return call


def is_keyed(function: Any) -> bool:
    """Whether a method of a container is about the item that its first argument names."""
    return function.__name__ in _KEYED and isinstance(function.__self__, dict | set)


def _is_in_c(made: type) -> bool:
    """Whether it is an iterator of a container, or of `sqlite3`, which is not imported for this."""
    if made.__module__ == "builtins" and made.__name__.endswith("iterator"):
        return True
    return any(base.__module__ == "sqlite3" for base in made.__mro__)


def look_at(made: type[Any]) -> object:
    """Names whose look-up on an instance touches no state of it; None where nothing does."""
    if goes_through(made) and made not in _INERT:
        return THROUGH
    if issubclass(made, _INERT) and not issubclass(made, types.ModuleType):
        return None
    if issubclass(made, types.ModuleType):
        return None
    return methods(made)


def methods(made: type[Any]) -> frozenset[str]:
    """Names that give a method of the class: the call, if anything, is the access."""
    found: dict[str, Any] = {}
    for base in reversed(made.__mro__):
        found.update(vars(base))
    return frozenset(
        name
        for name, value in found.items()
        if callable(value) or isinstance(value, classmethod | staticmethod | property)
        if not isinstance(value, types.MemberDescriptorType)
    )
