"""Modules of the standard library in pure Python: copies that found no accelerator."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def _without(accelerator: str) -> Iterator[None]:
    """An import of this module fails within the block."""
    kept = sys.modules.get(accelerator)
    sys.modules[accelerator] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if kept is None:
            del sys.modules[accelerator]
        else:
            sys.modules[accelerator] = kept


def pure_copy(name: str, accelerator: str, called: str) -> ModuleType:
    """The module or package `name` anew, by the name `called`, and without `accelerator`."""
    original = importlib.util.find_spec(name)
    assert original is not None
    assert original.origin is not None
    spec = importlib.util.spec_from_file_location(
        called, original.origin, submodule_search_locations=original.submodule_search_locations
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[called] = module
    with _without(accelerator):
        spec.loader.exec_module(module)
    return module


def pure_json() -> Any:
    """`json` whose encoder and decoder are Python to the last character."""
    module: Any = pure_copy("json", "_json", "pure_json")
    with _without("_json"):
        # The decoder takes it from `json` itself, by its full name.
        scanner = importlib.import_module("pure_json.scanner")
    module.decoder.scanner = scanner
    module._default_decoder = module.decoder.JSONDecoder()
    assert module.scanner is scanner
    assert scanner.make_scanner is scanner.py_make_scanner
    assert module.decoder.scanstring is module.decoder.py_scanstring
    assert module.encoder.c_make_encoder is None
    return module


def pure_collections() -> Any:
    """`collections` whose Counter and OrderedDict are Python."""
    module: Any = pure_copy("collections", "_collections", "pure_collections")
    assert module.OrderedDict.__module__ == "pure_collections"
    return module
