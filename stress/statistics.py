"""The size of an exploration, and what it leaves open. Plain data; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass

#: Confidence of every bound that we state.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What different things executions have shown.

    `orders` are those in which tasks came to a shared object, and `interleavings` are told apart by
    all of these. `reads_from` are the pairs of a write and a read, by their places in the source.
    `last_new` is the number, from 1, of the last execution with a new pair or order.
    """

    interleavings: int
    reads_from: int
    orders: int
    last_new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Sums over all executions; `tasks_max` is the most that one execution had.

    `complete` says that there are no other executions of the program than these; where there may
    be, `clean_executions` are those that were drawn at random, if none failed. `coverage` is there
    where somebody looked. `scheduled` is at what share of the operations with a choice the strategy
    was asked (0 to 1).
    """

    executions: int
    steps: int
    context_switches: int
    preemptions: int
    tasks_max: int
    elapsed_s: float
    executions_per_s: float
    clean_executions: int
    complete: bool = False
    coverage: Coverage | None = None
    scheduled: float = 1.0

    @property
    def residual_risk(self) -> float | None:
        """Upper bound, at 95 %, on the probability that one more execution would fail.

        For executions drawn by a sampler; None where there were findings, or no execution.
        """
        if self.complete and self.clean_executions:
            return 0.0
        return residual_risk(self.clean_executions) if self.clean_executions else None


def residual_risk(clean: int) -> float:
    """Upper bound, at 95 %, on the failure probability after that many clean executions."""
    return 1.0 - float((1.0 - CONFIDENCE) ** (1.0 / clean))
