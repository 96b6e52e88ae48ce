"""Racy and race-free programs, by which race detectors are judged: each racy one has a twin.

None says by itself what is wrong with it: no assertion fails, and no exception leaves a thread.
"""

from __future__ import annotations

import importlib
import pkgutil

from tests.corpus.races.race import Race, RaceFree


def _families() -> tuple[tuple[Race, ...], tuple[RaceFree, ...]]:
    races: list[Race] = []
    race_free: list[RaceFree] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        family = importlib.import_module(f"{__name__}.{module}")
        found: tuple[Race, ...] = getattr(family, "RACES", ())
        races += found
        race_free += (RaceFree(race.twin) for race in found)
        race_free += getattr(family, "RACE_FREE", ())
    return tuple(races), tuple(race_free)


RACES, RACE_FREE = _families()
