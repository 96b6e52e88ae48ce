"""Atomicity: which accesses belong together, and who may come between them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stress import FindingKind, Verdict, explore
from stress.detect.atomicity import atomicity_violations
from stress.detect.trace import Trace
from stress.detect.units import Units
from stress.steps import Step
from tests.corpus.case import together
from tests.stress.detect.steps import ACQUIRE, READ, RELEASE, SET, WAIT, WRITE, step

READ_X, WRITE_X = step(0, READ, "x", 0), step(0, WRITE, "x", 1)
OTHER = step(1, WRITE, "x", 0)


def violations(*steps: Step) -> list[tuple[int, ...]]:
    return [found.steps for found in atomicity_violations(Trace(steps))]


def test_a_write_between_a_read_and_a_write() -> None:
    assert violations(READ_X, OTHER, WRITE_X) == [(0, 1, 2)]


@pytest.mark.parametrize(
    "steps",
    [
        (OTHER, READ_X, WRITE_X),
        (READ_X, WRITE_X, OTHER),
        (READ_X, step(1, READ, "x", 0), WRITE_X),
        (READ_X, step(1, WRITE, "y", 0), WRITE_X),
    ],
)
def test_what_some_order_explains(steps: tuple[Step, ...]) -> None:
    assert violations(*steps) == []


def test_a_lock_for_each_access_does_not_help() -> None:
    def locked(task: int, access: Step, at: int) -> list[Step]:
        return [step(task, ACQUIRE, "l", at), access, step(task, RELEASE, "l", at + 1)]

    assert violations(*locked(0, READ_X, 10), *locked(1, OTHER, 10), *locked(0, WRITE_X, 20)) != []


def test_a_loop_looks_anew() -> None:
    """The flag is polled: the read is that of another turn."""
    again = step(0, READ, "x", 0)
    assert violations(READ_X, OTHER, again, WRITE_X) == []


def test_who_waits_lets_others_go_on_purpose() -> None:
    wait = step(0, WAIT, "e", 5)
    assert violations(READ_X, OTHER, step(1, SET, "e", 5), wait, WRITE_X) == []
    trace = Trace([READ_X, wait, WRITE_X])
    first, _, last = Units(trace).of
    assert first != last


def test_another_item_is_another_place() -> None:
    def item(one: Step, kind: str, key: str) -> Step:
        place = one.site
        made = type(place)(kind, "", place.function, "m", "m.py", place.line, 0)
        return one._replace(site=made, key=key)

    mine = item(READ_X, "read item", "'a'"), item(WRITE_X, "write item", "'a'")
    assert violations(mine[0], item(OTHER, "write item", "'a'"), mine[1]) == [(0, 1, 2)]
    assert violations(mine[0], item(OTHER, "write item", "'b'"), mine[1]) == []
    assert violations(mine[0], item(OTHER, "write item", ""), mine[1]) == [(0, 1, 2)]


def test_two_places_that_are_written_together_are_read_between() -> None:
    write_x, write_y = step(0, WRITE, "x", 0), step(0, WRITE, "y", 1)
    read_x, read_y = step(1, READ, "x", 0), step(1, READ, "y", 1)
    assert violations(write_x, read_x, read_y, write_y) == [(0, 1, 2, 3)]
    assert violations(write_x, read_x, write_y, read_y) == []
    assert violations(read_x, write_x, write_y, read_y) == [(0, 1, 2, 3)]


def test_who_has_read_in_vain_and_begins_anew_has_seen_it() -> None:
    write_x, write_y = step(0, WRITE, "x", 0), step(0, WRITE, "y", 1)
    read_x, read_y = step(1, READ, "x", 0), step(1, READ, "y", 1)
    assert violations(read_x, write_x, write_y, read_y, read_x, read_y) == []


class Memo:
    def __init__(self) -> None:
        self.known: int | None = None
        self.claimed = False
        self.made: object = None
        self.given: list[object] = []

    def compute(self) -> None:
        """Whoever computes it, it is the same."""
        if self.known is None:
            self.known = 42

    def claim(self) -> None:
        """Both may be the first."""
        if not self.claimed:
            self.claimed = True

    def make(self) -> None:
        """Each makes an object of its own."""
        if self.made is None:
            self.made = object()

    def count(self) -> None:
        self.known = (self.known or 0) + 1


def program(method: str) -> Callable[[], None]:
    def run() -> None:
        memo = Memo()
        together(getattr(memo, method), getattr(memo, method))

    return run


@pytest.mark.parametrize(
    ("method", "is_told"), [("compute", False), ("claim", True), ("make", True), ("count", True)]
)
def test_that_both_wrote_the_same_is_not_enough(method: str, is_told: bool) -> None:
    found = explore(program(method), detectors=("atomicity",), targets=[__name__], shrink=False)
    assert (found.verdict is Verdict.VIOLATED) == is_told
    if is_told:
        assert [finding.kind for finding in found.findings] == [FindingKind.ATOMICITY]


def test_a_lock_over_all_of_it_repairs_it() -> None:
    lock = threading.Lock()
    memo = Memo()

    def count() -> None:
        with lock:
            memo.count()

    found = explore(
        lambda: together(count, count), detectors=("atomicity",), targets=[__name__], shrink=False
    )
    assert found.verdict is Verdict.HOLDS
