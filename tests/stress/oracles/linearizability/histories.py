"""Histories for the tests: by hand, drawn from a seed with a known answer, and brute force."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from stress.oracles.history import Call
from stress.oracles.linearizability import Model
from stress.oracles.linearizability.model import error_type


def call(
    actor: str,
    name: str,
    began: int,
    ended: int | None,
    *arguments: Any,
    gives: Any = None,
    error: str = "",
) -> Call:
    """A call from `began` to `ended`; one without an end is pending."""
    return Call(
        actor,
        began,
        name,
        {str(number): value for number, value in enumerate(arguments)},
        gives,
        error,
        began_ns=began,
        ended_ns=ended or 0,
        pending=ended is None,
    )


# -- brute force ----------------------------------------------------------------------------------


def brute_force(calls: Sequence[Call], model: Model[Any]) -> bool:
    """Every order of every choice of the calls that must have taken effect, or may have."""
    seen = as_seen(calls, model)
    must = [c for c in seen if not c.pending]
    may = [c for c in seen if c.pending]
    return any(
        is_explained(order, model)
        for choice in range(2 ** len(may))
        for order in permutations([*must, *(c for n, c in enumerate(may) if choice >> n & 1)])
    )


def as_seen(calls: Sequence[Call], model: Model[Any]) -> list[Call]:
    """Who raised what is no answer is pending."""
    return [
        replace(c, pending=True, result=None)
        if c.pending or (c.error and error_type(c) not in model.errors)
        else c
        for c in calls
    ]


def is_explained(order: Sequence[Call], model: Model[Any]) -> bool:
    for number, later in enumerate(order):
        if not later.pending and any(later.ended_ns < c.began_ns for c in order[:number]):
            return False
    states = {model.initial}
    for one in order:
        states = {after for state in states for after in model.step(state, one)}
    return bool(states)


# -- linearizable histories, by running a sequential object ---------------------------------------

Step = tuple[str, tuple[Any, ...], Any, str]
Run = Callable[[random.Random], Iterator[Step]]


def run_register(source: random.Random) -> Iterator[Step]:
    value = 0
    while True:
        match source.choice(["write", "read", "read", "compare_and_set"]):
            case "write":
                value = source.randrange(4)
                yield "write", (value,), None, ""
            case "read":
                yield "read", (), value, ""
            case _:
                old, new = source.randrange(4), source.randrange(4)
                done = value == old
                value = new if done else value
                yield "compare_and_set", (old, new), done, ""


def run_counter(source: random.Random) -> Iterator[Step]:
    value = 0
    while True:
        name = source.choice(["increment", "decrement", "get"])
        if name == "get":
            yield "get", (), value, ""
        else:
            by = source.randrange(1, 3)
            value += by if name == "increment" else -by
            yield name, (by,), source.choice([None, value]), ""


def run_set(source: random.Random) -> Iterator[Step]:
    members: set[int] = set()
    names = ["add", "discard", "remove", "contains", *source.choice([[], ["size", "members"]])]
    while True:
        name, element = source.choice(names), source.randrange(4)
        there = element in members
        if name == "add":
            members.add(element)
            yield name, (element,), source.choice([None, not there]), ""
        elif name == "contains":
            yield name, (element,), there, ""
        elif name == "size":
            yield name, (), len(members), ""
        elif name == "members":
            yield name, (), set(members), ""
        else:
            members.discard(element)
            if name == "discard":
                yield name, (element,), source.choice([None, there]), ""
            else:
                yield name, (element,), None, "" if there else f"KeyError: {element}"


def run_queue(source: random.Random) -> Iterator[Step]:
    items: deque[int] = deque()
    number = 0
    while True:
        name = source.choice(["put", "put", "get", "get", "qsize", "empty"])
        if name == "put":
            number += 1
            items.append(number)
            yield "put", (number,), None, ""
        elif name == "get":
            yield ("get", (), items.popleft(), "") if items else ("get", (), None, "Empty: ")
        else:
            yield name, (), len(items) if name == "qsize" else not items, ""


def run_map(source: random.Random) -> Iterator[Step]:
    items: dict[str, Any] = {}
    names = ["put", "put", "get", "get", "delete", "pop", "contains", "put_if_absent"]
    names += source.choice([[], ["size"]])
    while True:
        name, key, value = source.choice(names), source.choice("abc"), [source.randrange(5)]
        if name == "put":
            items[key] = value
            yield name, (key, value), None, ""
        elif name == "put_if_absent":
            yield name, (key, value), items.setdefault(key, value), ""
        elif name == "get":
            yield name, (key,), items.get(key), ""
        elif name == "contains":
            yield name, (key,), key in items, ""
        elif name == "size":
            yield name, (), len(items), ""
        elif name == "delete":
            yield name, (key,), items.pop(key, None) is not None, ""
        else:
            error = "" if key in items else f"KeyError: {key!r}"
            yield name, (key,), items.pop(key, None), error


def linearizable(
    run: Run, seed: int, length: int = 30, actors: int = 4, start: int = 1000
) -> list[Call]:
    """What happened one after the other, each call stretched around the moment of its effect.

    So there is a linearization: the order of the moments. Some calls lose their answer, which
    rules no order out.
    """
    source = random.Random(seed)
    steps = run(source)
    calls: list[Call] = []
    free = {f"t{number}": start for number in range(actors)}
    for number in range(length):
        name, arguments, gives, error = next(steps)
        moment = start + 100 * (number + 1)
        actor = source.choice([a for a, since in free.items() if since < moment] or ["late"])
        began = max(free.get(actor, start) + 1, moment - source.randrange(1, 300))
        # Nobody may still be busy when the next actor is looked for: "late" would overlap itself.
        ended = moment + source.randrange(0, 300) if actor != "late" else moment
        free[actor] = ended
        began = min(began, moment)
        made = call(actor, name, began, ended, *arguments, gives=gives, error=error)
        if source.random() < 0.05:
            gone = source.choice([True, False])
            made = replace(made, result=None, pending=gone, error="" if gone else "OSError: lost")
            free.pop(actor, None)
        calls.append(made)
    source.shuffle(calls)
    return calls


# -- histories that are provably not linearizable -------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """Calls that no order explains, after and beside a linearizable history that does not matter
    to them. `why` is the proof.
    """

    model: str
    why: str
    add: Callable[[int], Iterable[Call]]


WRONG: dict[str, Wrong] = {
    "value_never_written": Wrong(
        "register", "nobody writes 77", lambda t: [call("x", "read", t, t + 9, gives=77)]
    ),
    "stale_read": Wrong(
        "register",
        "11 was written before 12 was, which returned before the read began",
        lambda t: [
            call("x", "write", t, t + 2, 11),
            call("x", "write", t + 3, t + 5, 12),
            call("y", "read", t + 6, t + 9, gives=11),
        ],
    ),
    "read_goes_back": Wrong(
        "register",
        "a read saw 12 while it was written, a later one the 11 before it",
        lambda t: [
            call("x", "write", t, t + 1, 11),
            call("x", "write", t + 2, t + 9, 12),
            call("y", "read", t + 3, t + 4, gives=12),
            call("z", "read", t + 5, t + 6, gives=11),
        ],
    ),
    "two_compare_and_sets": Wrong(
        "register",
        "both found 11, and each left something else",
        lambda t: [
            call("x", "write", t, t + 1, 11),
            call("x", "compare_and_set", t + 2, t + 8, 11, 12, gives=True),
            call("y", "compare_and_set", t + 3, t + 9, 11, 13, gives=True),
        ],
    ),
    "lost_increment": Wrong(
        "counter",
        "both increments say which value they made: the same",
        lambda t: [
            call("x", "increment", t, t + 8, 1, gives=1007),
            call("y", "increment", t + 1, t + 9, 1, gives=1007),
        ],
    ),
    "lost_increment_read": Wrong(
        "counter",
        "two increments between two reads that differ by one",
        lambda t: [
            call("x", "get", t, t + 1, gives=3),
            call("x", "increment", t + 2, t + 4, 1),
            call("y", "increment", t + 2, t + 5, 1),
            call("x", "get", t + 6, t + 7, gives=4),
        ],
    ),
    "element_forgotten": Wrong(
        "set",
        "added, never taken away, not there",
        lambda t: [
            call("x", "add", t, t + 2, 99),
            call("y", "contains", t + 3, t + 4, 99, gives=False),
        ],
    ),
    "added_twice": Wrong(
        "set",
        "both adds were the one that changed it",
        lambda t: [
            call("x", "add", t, t + 5, 99, gives=True),
            call("y", "add", t + 1, t + 6, 99, gives=True),
        ],
    ),
    "removed_twice": Wrong(
        "set",
        "added once, removed twice",
        lambda t: [
            call("x", "add", t, t + 2, 99),
            call("x", "remove", t + 3, t + 6, 99),
            call("y", "remove", t + 4, t + 7, 99),
        ],
    ),
    "dequeued_twice": Wrong(
        "queue",
        "900 was put once",
        lambda t: [
            call("x", "put", t, t + 4, 900),
            call("x", "get", t + 5, t + 8, gives=900),
            call("y", "get", t + 6, t + 9, gives=900),
        ],
    ),
    "never_enqueued": Wrong(
        "queue", "nobody puts 900", lambda t: [call("x", "get", t, t + 4, gives=900)]
    ),
    "overtaken": Wrong(
        "queue",
        "901 was put after 900, and got before it",
        lambda t: [
            call("x", "put", t, t + 1, 900),
            call("x", "put", t + 2, t + 3, 901),
            call("y", "get", t + 4, t + 5, gives=901),
            call("y", "get", t + 6, t + 7, gives=900),
        ],
    ),
    "empty_though_full": Wrong(
        "queue",
        "900 is put, and got only later",
        lambda t: [
            call("x", "put", t, t + 1, 900),
            call("y", "empty", t + 2, t + 3, gives=True),
            call("x", "get", t + 4, t + 5, gives=900),
        ],
    ),
    "stale_get": Wrong(
        "map",
        "12 is there from before the get began",
        lambda t: [
            call("x", "put", t, t + 1, "key", 11),
            call("x", "put", t + 2, t + 3, "key", 12),
            call("y", "get", t + 4, t + 5, "key", gives=11),
        ],
    ),
    "wrong_key": Wrong(
        "map",
        "11 is under the other key",
        lambda t: [
            call("x", "put", t, t + 1, "key", 11),
            call("y", "get", t, t + 5, "other", gives=11),
        ],
    ),
    "popped_twice": Wrong(
        "map",
        "put once, popped twice",
        lambda t: [
            call("x", "put", t, t + 1, "key", 11),
            call("x", "pop", t + 2, t + 8, "key", gives=11),
            call("y", "pop", t + 3, t + 9, "key", gives=11),
        ],
    ),
    "absent_twice": Wrong(
        "map",
        "one of the two was first, and the other was told so",
        lambda t: [
            call("x", "put_if_absent", t, t + 8, "key", 11, gives=11),
            call("y", "put_if_absent", t + 1, t + 9, "key", 12, gives=12),
        ],
    ),
}
