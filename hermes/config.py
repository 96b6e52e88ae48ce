"""Where Hermes keeps its things, and its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml


class ConfigError(ValueError):
    """config.yaml cannot be used; the message names the file and the place."""


def hermes_home() -> Path:
    """`$HERMES_HOME`, else `~/.hermes`."""
    return Path(os.environ.get("HERMES_HOME") or Path.home() / ".hermes")


def load_config() -> dict[str, Any]:
    """The settings in config.yaml; empty where there is no file. Raises ConfigError."""
    path = hermes_home() / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise ConfigError(f"{path}{where}: {problem}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a mapping, found {type(value).__name__}")
    return value


def section(name: str) -> dict[str, Any]:
    """One mapping of the settings; empty where it is missing or no mapping."""
    value = load_config().get(name)
    return value if isinstance(value, dict) else {}
