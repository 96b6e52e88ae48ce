"""Settings that a project keeps: `[tool.stress]` of pyproject.toml, and STRESS_* variables."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.errors import InvalidArgument


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run takes where the command line says nothing; None where nobody says anything.

    Of `trials` and `time` (seconds) a source that gives either replaces both: who asks for 100
    trials in the environment does not mean the minute of pyproject.toml. `executions`, `strategy`
    and `carrier` are of controlled execution; that they exist is checked where they are used.
    """

    trials: int | None = None
    time: float | None = None
    jobs: int | None = None
    size: int | None = None
    findings: str | None = None
    executions: int | None = None
    strategy: str | None = None
    carrier: str | None = None


def whole_number(value: object) -> int:
    """A whole number above 0, from a number or its text. Raises ValueError, saying what it is."""
    try:
        if isinstance(value, bool | float):
            raise ValueError
        number = int(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a whole number") from None
    if number <= 0:
        raise ValueError(f"{number} is not above 0")
    return number


def seconds(value: object) -> float:
    """A finite number above 0, from a number or its text. Raises ValueError, saying what it is."""
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a number of seconds") from None
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{value} is not a finite number above 0")
    return number


def directory(value: object) -> str:
    """A path that is not empty. Raises ValueError, saying what it is."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a path")
    return value


def word(value: object) -> str:
    """A text that is not empty. Raises ValueError, saying what it is."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a name")
    return value


_READERS: Mapping[str, Callable[[object], Any]] = {
    "trials": whole_number,
    "time": seconds,
    "jobs": whole_number,
    "size": whole_number,
    "findings": directory,
    "executions": whole_number,
    "strategy": word,
    "carrier": word,
}


def read_settings(pyproject: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of `environment` (STRESS_TRIALS and so on), else of `pyproject`.

    A file that is not there sets nothing. Raises InvalidArgument that names file or variable.
    """
    table = _table(pyproject)
    for name in table:
        if name not in _READERS:
            close = difflib.get_close_matches(name, _READERS, n=1)
            step = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_READERS)}"
            raise InvalidArgument(
                f"[tool.stress] of {pyproject} has an unknown key {name!r}; {step}"
            )
    variables = {name: f"STRESS_{name.upper()}" for name in _READERS}
    below = {name: _read(name, table[name], f"[tool.stress] of {pyproject}") for name in table}
    above = {
        name: _read(name, environment[variable], variable)
        for name, variable in variables.items()
        if environment.get(variable)
    }
    if above.keys() & {"trials", "time"}:
        below = {name: value for name, value in below.items() if name not in ("trials", "time")}
    return Settings(**(below | above))


def _table(pyproject: Path) -> Mapping[str, Any]:
    try:
        with pyproject.open("rb") as file:
            table = tomllib.load(file).get("tool", {}).get("stress", {})
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise InvalidArgument(f"{pyproject} cannot be read: {error}; repair it") from error
    if not isinstance(table, dict):
        raise InvalidArgument(f"[tool.stress] of {pyproject} is not a table; make it one")
    return table


def _read(name: str, value: object, source: str) -> Any:
    try:
        return _READERS[name](value)
    except ValueError as error:
        raise InvalidArgument(f"{name} in {source}: {error}") from error
