"""The mutants by name."""

from __future__ import annotations

from collections.abc import Mapping

from stress.mutants import known_races
from stress.mutants.mutant import Mutant

MUTANTS: Mapping[str, Mutant] = {mutant.name: mutant for mutant in known_races.MUTANTS}
