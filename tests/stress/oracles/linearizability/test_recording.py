"""Recording around real objects: what is noted, by whom, and under control."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from stress.errors import InvalidArgument
from stress.finding import Verdict
from stress.oracles.history import overlaps
from stress.oracles.linearizability import (
    History,
    check,
    fifo_queue,
    key_value_map,
    recorded,
    renamed,
)

ROOT = Path(__file__).parents[4]


class Shelf:
    """What is under a name."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}

    def put(self, key: str, value: int = 0) -> None:
        self.items[key] = value

    def pop(self, key: str) -> int:
        return self.items.pop(key)

    def leave(self) -> None:
        raise SystemExit

    def _count(self) -> int:
        return len(self.items)


def together(*bodies: Callable[[], None]) -> None:
    """Run each in a thread of its own, all at once."""
    start = threading.Barrier(len(bodies))

    def begin(body: Callable[[], None]) -> None:
        start.wait()
        body()

    threads = [
        threading.Thread(target=begin, args=(body,), name=f"t{number}")
        for number, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_call_is_noted_with_names_answer_and_times() -> None:
    history = History()
    shelf = recorded(Shelf(), history)
    shelf.put("a", value=1)
    assert shelf.pop("a") == 1
    put, pop = history.calls
    assert (put.actor, put.step, put.name) == ("MainThread", 0, "put")
    assert dict(put.arguments) == {"key": "a", "value": 1}
    assert (pop.step, pop.result, pop.pending) == (1, 1, False)
    assert 0 < put.began_ns <= put.ended_ns <= pop.began_ns <= pop.ended_ns
    assert list(history) == [put, pop]
    assert len(history) == 2


def test_what_raises_is_noted_and_raised_and_what_is_left_stays_pending() -> None:
    history = History()
    shelf = recorded(Shelf(), history)
    with pytest.raises(KeyError):
        shelf.pop("a")
    with pytest.raises(SystemExit):
        shelf.leave()
    pop, leave = history.calls
    assert (pop.error, pop.pending) == ("KeyError: 'a'", False)
    assert leave.pending
    assert not leave.error


def test_only_the_methods_asked_for_are_noted_and_the_rest_shines_through() -> None:
    history = History()
    shelf = recorded(Shelf(), history, methods=["put"])
    shelf.put("a", 1)
    shelf.pop("a")
    assert shelf.items == {}
    assert shelf._count() == 0
    assert [call.name for call in history] == ["put"]
    with pytest.raises(InvalidArgument, match="Shelf has no method 'putt' to record"):
        recorded(Shelf(), history, methods=["putt"])


def test_private_methods_are_noted_only_when_asked_for() -> None:
    history = History()
    assert recorded(Shelf(), history)._count() == 0
    assert len(history) == 0
    assert recorded(Shelf(), history, methods=["_count"])._count() == 0
    assert [call.name for call in history] == ["_count"]


def test_a_call_in_the_middle_is_pending_for_who_looks() -> None:
    history, inside, done = History(), threading.Event(), threading.Event()

    def work() -> None:
        inside.set()
        done.wait(10)

    thread = threading.Thread(target=history.call, args=("work", work), name="worker")
    thread.start()
    inside.wait(10)
    (now,) = history.calls
    done.set()
    thread.join()
    assert now.pending
    assert not history.calls[0].pending
    assert history.calls[0].actor == "worker"


def test_two_threads_of_one_name_are_two_actors() -> None:
    history = History()
    both = threading.Barrier(2)

    def body() -> None:
        history.call("wait", both.wait)
        history.call("wait", both.wait)

    threads = [threading.Thread(target=body, name="same") for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((c.actor, c.step) for c in history) == [
        ("same", 0), ("same", 1), ("same (2)", 0), ("same (2)", 1),
    ]  # fmt: skip
    assert overlaps(history.calls)


def test_no_call_is_lost_and_steps_are_in_order() -> None:
    history = History()
    shelf = recorded(Shelf(), history)
    together(*[lambda n=n: [shelf.put(f"{n}", i) for i in range(500)] for n in range(4)])  # type: ignore[misc]
    calls = history.calls
    assert len(calls) == 2000
    for actor in {call.actor for call in calls}:
        mine = [call for call in calls if call.actor == actor]
        assert [call.step for call in mine] == list(range(500))
        assert [call.arguments["value"] for call in mine] == list(range(500))
        assert all(a.ended_ns <= b.began_ns for a, b in pairwise(mine))


def test_a_real_queue_is_linearizable() -> None:
    history = History()
    shared = recorded(queue.Queue(), history, methods=["put", "get_nowait", "qsize"])  # type: ignore[var-annotated]

    def body() -> None:
        for number in range(20):
            shared.put((threading.current_thread().name, number))
            shared.qsize()
            try:
                shared.get_nowait()
            except queue.Empty:
                pass

    together(*[body] * 4)
    result = check(history, fifo_queue())
    assert result.verdict is not Verdict.VIOLATED, result.drawing
    assert not result.limited
    assert len(history) == 240


def test_a_builtin_object_is_recorded_by_position() -> None:
    history = History()
    items = recorded({}, history, methods=["setdefault", "get", "pop"])  # type: ignore[var-annotated]
    assert items.setdefault("a", 1) == 1
    assert items.get("a") == 1
    assert items.pop("a") == 1
    model = renamed(key_value_map(), setdefault="put_if_absent", get="get", pop="pop")
    assert check(history, model).reason.startswith("no two calls")


def test_the_clock_of_an_explored_program_is_not_taken() -> None:
    code = (
        "import time; real = time.perf_counter_ns; time.perf_counter_ns = lambda: 0\n"
        "import stress.oracles.linearizability\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "before the exploration" in child.stderr
