"""The detectors that have a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stress.detect.atomicity import atomicity_violations
from stress.detect.leaks import leaks
from stress.detect.lock_order import lock_order_inversions
from stress.detect.races import data_races
from stress.detect.stale_decisions import stale_decisions
from stress.detect.stale_values import stale_values
from stress.detect.suspicion import Detector, Suspicion
from stress.detect.torn_reads import torn_reads
from stress.detect.trace import Trace


def _atomicity(trace: Trace) -> Sequence[Suspicion]:
    parts = (atomicity_violations, stale_values, stale_decisions, torn_reads)
    return [suspicion for part in parts for suspicion in part(trace)]


DETECTORS: Mapping[str, Detector] = {
    "races": data_races,
    "atomicity": _atomicity,
    "lock-order": lock_order_inversions,
    "leaks": leaks,
}
