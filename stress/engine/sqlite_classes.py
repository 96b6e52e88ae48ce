"""Classes under control in the place of real ones, also where a program derives its own.

What a program derives while it is explored has a model as its base already. What it derived before
gets a class of its own, in which the model comes after the program's methods and before the real
ones: `super()` leads to the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from stress.engine.context import context, controlled


class Kind(type):
    """The class of the models. Real objects, made before, are instances of these too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, vars(cls).get("_real") or ()) or super().__instancecheck__(
            instance
        )

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("_real")
        if real is not None and issubclass(subclass, real):
            return True
        return super().__subclasscheck__(subclass)


def model_for(factory: Any, model: Any) -> Any:
    """The class whose objects are under control, for what a program makes them of."""
    if factory is model._real:
        return model
    if isinstance(factory, type) and model not in factory.__mro__:
        return _controlled_class(factory, model) if model._real in factory.__mro__ else factory
    return factory


@functools.cache
def _controlled_class(cls: type, model: Any) -> type:
    """A class of the program that was derived from the real one, on the model instead."""
    try:
        return Kind(
            cls.__name__,
            (cls, model),
            {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__},
        )
    except TypeError:
        # It has a metaclass of its own: its objects stay real.
        execution = context.execution
        if execution is not None:
            execution.uncontrolled.setdefault(f"sqlite3 objects of class {cls.__qualname__}")
        return cls


def real_subclasses(model: Any) -> list[Any]:
    """The classes that were derived from the real class directly, and not by us."""
    return [cls for cls in type.__subclasses__(model._real) if cls is not model]


def making(model: Any, original: Callable[..., Any]) -> Any:
    """`__new__` of such a class: tasks get an object of a class that is under control."""

    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = cls if controlled() is None else model_for(cls, model)
        return original(made, *args, **kwargs)

    return staticmethod(__new__)
