"""Units: what a task does in one go, by how the program is written.

A unit is what a task does in one function, line by line, without looking back: a loop that begins
anew, a second call of the function and a wait for others begin another one. What happens in one
unit is taken to belong together, as it is for the reader of the function; AVIO takes it from
training runs instead: Lu, Tucek, Qin, Zhou, "AVIO: detecting atomicity violations via access
interleaving invariants", ASPLOS 2006.
"""

from __future__ import annotations

from stress.detect.trace import Trace, is_of_model
from stress.site import Site
from stress.steps import Step

#: Operations that wait for others, and not only for a turn.
_WAITS = frozenset({"wait", "get", "join", "sleep", "yield", "busy database"})


class _Unit:
    __slots__ = ("line", "number", "seen")

    def __init__(self, number: int) -> None:
        self.number = number
        self.line = 0
        self.seen: set[Site] = set()


class Units:
    """The units of one execution, by number, from 1."""

    def __init__(self, trace: Trace) -> None:
        #: The unit of each step; 0 for what is in no function of the program. And the units after
        #: which the function looked back.
        self.of, self.repeated = _units_of(trace)
        #: By unit, its first and its last step.
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        for step, unit in enumerate(self.of):
            self.first.setdefault(unit, step)
            self.last[unit] = step

    def overlap(self, one: int, other: int) -> bool:
        """Whether neither is over before the other begins."""
        first, last = self.first, self.last
        return first[one] < last[other] and first[other] < last[one]


def _units_of(trace: Trace) -> tuple[list[int], frozenset[int]]:
    found: list[int] = []
    repeated: set[int] = set()
    units: dict[tuple[int, str, str], _Unit] = {}
    last = 0
    for step in trace.steps:
        site = step.site
        if is_of_model(step) or not site.function:
            if site.kind in _WAITS and not site.function:
                for key in [key for key in units if key[0] == step.task]:
                    del units[key]
            found.append(0)
            continue
        key = step.task, site.module, site.function
        unit = units.get(key)
        if unit is None or _looks_back(unit, step):
            if unit is not None:
                repeated.add(unit.number)
            last += 1
            unit = units[key] = _Unit(last)
        if site.kind not in ("enter", "exit"):
            unit.line = site.line
        unit.seen.add(site)
        found.append(unit.number)
    return found, frozenset(repeated)


def _looks_back(unit: _Unit, step: Step) -> bool:
    # The exit of a `with` stands where its entry does.
    return step.site.kind not in ("enter", "exit") and (
        step.site.line < unit.line or step.site in unit.seen
    )
