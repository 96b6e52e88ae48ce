"""Append/read-all logs in near-linear time, where the order of the entries is known.

A general search may try every order of the appends that overlap. Where each append says at which
place it stands (here by the id of its row, which only grows), one order is left to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stress.oracles.history import Call


@dataclass(frozen=True, slots=True)
class Placed:
    """A call, by its position in the history, and the length of the log right after it."""

    position: int
    length: int
    is_append: bool


def order_of(calls: Sequence[Call], placed: Sequence[Placed]) -> tuple[int, ...] | None:
    """The order of the calls by the length of the log, None where real time forbids it.

    Between two appends come the reads that saw the log in between, by their beginning. Time
    forbids an order in which a call comes after one that had not begun when it returned. That is
    all there is to check: reads of the same length may have any order that time allows.
    """

    def key(one: Placed) -> tuple[int, bool, int]:
        return one.length, not one.is_append, calls[one.position].began_ns

    order = [one.position for one in sorted(placed, key=key)]
    latest_begin = float("-inf")
    for position in order:
        call = calls[position]
        if not call.pending and call.ended_ns < latest_begin:
            return None
        latest_begin = max(latest_begin, call.began_ns)
    return tuple(order)
