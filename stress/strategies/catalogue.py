"""The strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from stress.errors import InvalidArgument
from stress.strategies.dfs import DFS
from stress.strategies.dpor import DPOR
from stress.strategies.pct import PCT
from stress.strategies.portfolio import Portfolio
from stress.strategies.pos import POS
from stress.strategies.random_walk import RandomWalk
from stress.strategies.rff import RFF
from stress.strategies.surw import SURW
from stress.strategy import Strategy

STRATEGIES: Mapping[str, Callable[[int], Strategy]] = {
    "portfolio": Portfolio,
    "random": RandomWalk,
    "pct": PCT,
    "pos": POS,
    "surw": SURW,
    "rff": RFF,
    "dfs": DFS,
    "delay": partial(DFS, delays=True),
    "dpor": DPOR,
}


def strategy_of(strategy: str | Strategy, seed: int) -> Strategy:
    """The strategy of that name with this seed; one of the user's own as it is."""
    if not isinstance(strategy, str):
        return strategy
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise InvalidArgument(f"there is no strategy {strategy!r}; choose one of {known}")
    return STRATEGIES[strategy](seed)
