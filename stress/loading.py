"""Finding what a user names on the command line: `module:callable`, and modules."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stress import evidence
from stress.errors import InvalidArgument
from stress.frame import Frame


def load_target(target: str) -> Callable[[], object]:
    """The callable without arguments that `module:callable` names, importable from here.

    Raises InvalidArgument, in one sentence, where there is none; and where the module itself
    cannot be imported, with the error that it raised and the place.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name or module_name.startswith("."):
        raise InvalidArgument(f"{target!r} names no callable; name it as module:callable")
    found: Any = import_module(module_name)
    path = module_name
    for part in name.split("."):
        if not hasattr(found, part):
            hint = did_you_mean(part, _callables(found)) or "name it as module:callable"
            raise InvalidArgument(f"{target!r} names no callable: {path!r} has no {part!r}; {hint}")
        found = getattr(found, part)
        path += f".{part}"
    _check_callable(target, found)
    return found  # type: ignore[no-any-return]


def import_module(name: str) -> Any:
    """The module of that name, also from the current directory. Raises InvalidArgument."""
    _look_here()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _own_error(name, error) from error
        raise InvalidArgument(_not_there(name, error.name)) from error
    except (Exception, SystemExit) as error:
        raise _own_error(name, error) from error


def check_module(name: str) -> None:
    """Raises InvalidArgument where there is no module of that name. Imports its parents only."""
    _look_here()
    parent, _, last = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")):
        raise InvalidArgument(f"{name!r} is no name of a module; give one like package.module")
    if name in sys.modules:
        return
    package = import_module(parent) if parent else None
    if parent and not hasattr(package, "__path__"):
        raise InvalidArgument(f"there is no module {name!r}: {parent!r} is not a package")
    if importlib.util.find_spec(name) is None:
        raise InvalidArgument(_not_there(name, f"{parent}.{last}" if parent else last))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` with the nearest of the `known` names; empty where none is near."""
    near = difflib.get_close_matches(name, sorted(set(known)))
    # Of names as near as one another, the one with its letters in another order.
    near.sort(key=lambda other: sorted(other) != sorted(name))
    return f"did you mean {near[0]!r}?" if near else ""


def _look_here() -> None:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _not_there(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    places = getattr(sys.modules.get(parent), "__path__", ()) if parent else (str(Path.cwd()),)
    siblings = [module.name for module in pkgutil.iter_modules(list(places))]
    hint = did_you_mean(last, siblings) or "name one that is importable from this directory"
    inside = f" in package {parent!r}" if parent else ""
    return f"cannot import {name!r}: there is no module {last!r}{inside}; {hint}"


def _own_error(name: str, error: BaseException) -> InvalidArgument:
    """The error that importing a user's module raised, with where that was."""
    if isinstance(error, SyntaxError) and error.filename:
        place, text = f"{error.filename}:{error.lineno}", error.msg
    else:
        frames = [
            Frame(frame.filename, frame.lineno or 0, frame.name)
            for frame in reversed(traceback.extract_tb(error.__traceback__))
            if frame.filename != __file__ and "/importlib/" not in frame.filename
        ]
        where = evidence.innermost(frames)
        place = f"{where.file}:{where.line}" if where else "an unknown place"
        text = str(error)
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    hint = "; is a main guard missing?" if isinstance(error, SystemExit) else ""
    return InvalidArgument(f"importing {name!r} raised {what}, at {_from_here(place)}{hint}")


def _from_here(place: str) -> str:
    return place.removeprefix(f"{Path.cwd()}/")


def _callables(found: Any) -> list[str]:
    return [name for name in dir(found) if callable(getattr(found, name, None))]


def _check_callable(target: str, found: Any) -> None:
    if not callable(found):
        kind = type(found).__name__
        raise InvalidArgument(f"{target!r} is a {kind} and cannot be called; name a callable")
    if inspect.iscoroutinefunction(found):
        raise InvalidArgument(
            f"{target!r} is a coroutine function; name one that calls asyncio.run on it"
        )
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return
    try:
        signature.bind()
    except TypeError as error:
        raise InvalidArgument(
            f"{target!r} cannot be called without arguments ({error}); name a callable that takes "
            "none"
        ) from error
