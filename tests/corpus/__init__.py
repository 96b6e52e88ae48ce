"""Small threaded programs as people write them: each wrong one beside its repaired twin."""

from __future__ import annotations

import importlib
import pkgutil

from tests.corpus.case import Case


def _families() -> tuple[Case, ...]:
    found: list[Case] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        family = importlib.import_module(f"{__name__}.{module}")
        found += getattr(family, "CASES", ())
    return tuple(found)


CASES = _families()
