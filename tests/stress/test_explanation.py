"""Why an interleaving fails: for each pattern a real program, and what is said of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from stress.explanation import conflicting_pair, preemptions, reason_of
from stress.exploration import explore, replay
from stress.finding import Finding, FindingKind
from stress.report.console import render_finding
from stress.report.why import why_text
from tests.corpus.case import together


class Shared:
    """What the programs share."""

    def __init__(self) -> None:
        self.count = 0
        self.x = self.y = 0
        self.ready = False
        self.items: list[int] = []
        self.one, self.two = threading.Lock(), threading.Lock()


def lost_update() -> None:
    shared = Shared()

    def work() -> None:
        shared.count += 1

    together(work, work)
    assert shared.count == 2


def acted_on_a_look() -> None:
    shared = Shared()
    shared.items.append(7)

    def work() -> None:
        if shared.items:
            shared.items.pop()

    together(work, work)


def read_twice() -> None:
    shared = Shared()

    def look() -> None:
        assert shared.count == shared.count

    def change() -> None:
        shared.count = 5

    together(look, change)


def half_way() -> None:
    shared = Shared()

    def move() -> None:
        shared.x = 1
        shared.y = 1

    def look() -> None:
        assert shared.x == shared.y

    together(move, look)


def out_of_date() -> None:
    shared = Shared()

    def look() -> None:
        if not shared.ready:
            assert shared.x == 0

    def change() -> None:
        shared.ready = True
        shared.x = 1

    together(look, change)


def too_early() -> None:
    shared = Shared()

    def make() -> None:
        shared.two.locked()
        shared.ready = True

    def use() -> None:
        assert shared.ready

    thread = threading.Thread(target=make)
    thread.start()
    use()
    thread.join()


def crossed() -> None:
    shared = Shared()

    def up() -> None:
        with shared.one, shared.two:
            pass

    def down() -> None:
        with shared.two, shared.one:
            pass

    together(up, down)


def two_sections() -> None:
    shared = Shared()

    def work() -> None:
        with shared.one:
            before = len(shared.items)
        with shared.one:
            shared.items.append(before)

    together(work, work)
    assert shared.items == [0, 1]


def found(program: Callable[[], None]) -> Finding:
    exploration = explore(program)
    assert exploration.findings, exploration.reason
    return exploration.findings[0]


PATTERNS = {
    lost_update: "about to write count, is preempted: it then changes count by what it read before "
    "(0), and what task N made of it meanwhile (1) is lost",
    acted_on_a_look: "about to call pop, is preempted: it then changes list N by what it read "
    "before ([7]), and not by what task N made of it meanwhile ([])",
    read_twice: "about to read count, is preempted: it had read count (0), and now finds what task "
    "N made of it meanwhile (5)",
    half_way: "task N reads x (1) in the middle of what it does",
    out_of_date: "is preempted: it goes on with the ready that it read (False), and not with what "
    "task N made of it meanwhile (True)",
    crossed: "about to acquire Lock, is preempted: it holds Lock N, and task N takes Lock N",
    two_sections: "is preempted: it then changes list N by what it read before (0), and not by "
    "what task N made of it meanwhile ([0])",
}


def numberless(text: str) -> str:
    words = " ".join(text.split()).split(" ")
    after = {"task", "Lock", "list"}
    return " ".join(
        "N" + word.lstrip("0123456789") if before in after and word[0].isdecimal() else word
        for before, word in zip(["", *words], words, strict=False)
    )


@pytest.mark.parametrize("program", PATTERNS, ids=lambda program: program.__name__)
def test_a_preemption_is_explained(program: Callable[[], None]) -> None:
    text = why_text(found(program), 100).plain
    assert PATTERNS[program] in numberless(text), text


def test_both_stacks_of_the_conflict_are_shown() -> None:
    finding = found(lost_update)
    text = render_finding(finding)
    _, _, section = text.partition("the operations that conflict\n")
    lines = section.partition("\n\n")[0].splitlines()
    assert [line.strip() for line in lines if line.startswith("  task")] == [
        "task 1: write count = 1",
        "task 2: write count = 1",
    ]
    assert sum("lost_update.<locals>.work" in line for line in lines) == 2
    assert text.rstrip().splitlines()[-1].startswith("run it again: ")
    again = replay(lost_update, finding).findings[0]
    assert again.details["conflict"] == finding.details["conflict"]


def test_without_a_preemption_the_last_conflict_is_to_blame() -> None:
    finding = found(too_early)
    assert finding.schedule is not None
    assert preemptions(finding.trace) == []
    text = why_text(finding, 100).plain
    assert "why it fails" not in text
    assert "task 0: read ready = False" in text
    assert "task 1: write ready = True" in text, "though that comes after the failure"


def test_nothing_is_said_where_nothing_conflicts() -> None:
    def program() -> None:
        together(lambda: None, lambda: None)
        raise LookupError

    finding = found(program)
    assert conflicting_pair(finding.trace) == ()
    assert "conflict" not in finding.details
    assert why_text(finding, 100).plain == ""


def test_the_reason_names_the_two_operations() -> None:
    trace = found(lost_update).trace
    (place,) = preemptions(trace)
    reason = reason_of(trace, place)
    assert reason.steps == conflicting_pair(trace)
    first, second = (trace[step] for step in reason.steps)
    assert (first.anchor.kind, second.anchor.kind) == ("write", "write")
    assert second.task == reason.task != first.task


@dataclasses.dataclass(frozen=True)
class Point:
    """What dataclasses make is explored too."""

    x: int


def test_the_standard_library_that_we_use_may_be_what_is_explored() -> None:
    def program() -> None:
        shared = Shared()

        def work() -> None:
            shared.x = dataclasses.replace(Point(shared.x), x=shared.x + 1).x

        together(work, work)
        assert shared.x == 2

    targets = ("dataclasses", "collections", "heapq", "re", "tests.stress.test_explanation")
    exploration = explore(program, targets=targets)
    assert [finding.kind for finding in exploration.findings] == [FindingKind.EXCEPTION]
    finding = exploration.findings[0]
    assert finding.message.startswith("AssertionError"), finding.message
    written = [event.value for event in finding.trace if str(event.anchor).startswith("write x ")]
    assert written[-2:] == ["1", "1"]
