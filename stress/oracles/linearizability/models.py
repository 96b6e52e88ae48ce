"""Models of a register, a counter, a set, a FIFO queue and a key-value map."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from stress.oracles.history import Call
from stress.oracles.linearizability.model import (
    Model,
    agrees,
    frozen,
    no_such_operation,
    refuses,
    values,
    verb,
)

#: A state of the map: what stands under which key.
Items = frozenset[tuple[Hashable, Hashable]]


def register(initial: Any = None) -> Model[Hashable]:
    """`write(value)`, `read()`, and `compare_and_set(old, new)` that returns whether it did."""
    return Model("register", frozen(initial), _register, reads=frozenset({"read"}))


def _register(state: Hashable, call: Call) -> Iterable[Hashable]:
    match verb(call):
        case "read":
            return (state,) if agrees(_answer_frozen(call), state) else ()
        case "write":
            return (frozen(values(call)[0]),) if agrees(call, None) else ()
        case "compare_and_set":
            old, new = map(frozen, values(call))
            return ((new if state == old else state),) if agrees(call, state == old) else ()
    raise no_such_operation("register", call)


def counter(initial: int = 0) -> Model[int]:
    """`increment(by=1)` and `decrement(by=1)`, which return None or the new value, and `get()`."""
    return Model("counter", initial, _counter, reads=frozenset({"get"}))


def _counter(state: int, call: Call) -> Iterable[int]:
    by = next(iter(call.arguments.values()), 1)
    match verb(call):
        case "get":
            return (state,) if agrees(call, state) else ()
        case "increment":
            after = state + by
        case "decrement":
            after = state - by
        case _:
            raise no_such_operation("counter", call)
    return (after,) if agrees(call, None) or agrees(call, after) else ()


def element_set(initial: Iterable[Hashable] = ()) -> Model[frozenset[Hashable]]:
    """A set: `add(x)` and `discard(x)`, which return None or whether they changed it, `remove(x)`
    that raises KeyError, `contains(x)`, `size()` and `members()`.

    Partitioned by element where neither `size` nor `members` is called and the set begins empty.
    """
    begin = frozenset(initial)
    return Model(
        "set",
        begin,
        _set,
        partition=None if begin else _first_argument,
        errors=frozenset({"KeyError"}),
        reads=frozenset({"contains", "size", "members"}),
    )


def _set(state: frozenset[Hashable], call: Call) -> Iterable[frozenset[Hashable]]:
    name = verb(call)
    if name == "size":
        return (state,) if agrees(call, len(state)) else ()
    if name == "members":
        fits = call.pending or (not call.error and frozenset(call.result) == state)
        return (state,) if fits else ()
    element = values(call)[0]
    there = element in state
    match name:
        case "contains":
            return (state,) if agrees(call, there) else ()
        case "add":
            fits, after = agrees(call, None) or agrees(call, not there), state | {element}
        case "discard":
            fits, after = agrees(call, None) or agrees(call, there), state - {element}
        case "remove":
            fits = agrees(call, None) if there else refuses(call, "KeyError")
            after = state - {element}
        case _:
            raise no_such_operation("set", call)
    return (after,) if fits else ()


def fifo_queue(capacity: int = 0) -> Model[tuple[Hashable, ...]]:
    """`put(value)` and `get()`, with `qsize()` and `empty()`, as `queue.Queue` has them.

    `get` and `get_nowait` wait at an empty queue or raise `Empty`; with a `capacity` above 0
    `put` and `put_nowait` wait at a full one or raise `Full`.
    """

    def step(state: tuple[Hashable, ...], call: Call) -> Iterable[tuple[Hashable, ...]]:
        match verb(call):
            case "put" | "put_nowait":
                if capacity and len(state) >= capacity:
                    return (state,) if refuses(call, "Full") else ()
                return ((*state, frozen(values(call)[0])),) if agrees(call, None) else ()
            case "get" | "get_nowait":
                if not state:
                    return (state,) if refuses(call, "Empty") else ()
                return (state[1:],) if agrees(_answer_frozen(call), state[0]) else ()
            case "qsize":
                return (state,) if agrees(call, len(state)) else ()
            case "empty":
                return (state,) if agrees(call, not state) else ()
        raise no_such_operation("FIFO queue", call)

    return Model(
        "FIFO queue",
        (),
        step,
        errors=frozenset({"Empty", "Full"}),
        reads=frozenset({"qsize", "empty"}),
    )


def key_value_map(initial: Mapping[Any, Any] | None = None) -> Model[Items]:
    """`put(key, value)`, `get(key)` that returns None where nothing is, `contains(key)`,
    `delete(key)` that returns None or whether there was something, `pop(key)` that raises
    KeyError, `put_if_absent(key, value)` that returns what is there then, and `size()`.

    A `get` may raise KeyError too. Partitioned by key where `size` is not called and the map
    begins empty.
    """
    begin = frozenset((key, frozen(value)) for key, value in (initial or {}).items())
    return Model(
        "map",
        begin,
        _map,
        partition=None if begin else _first_argument,
        errors=frozenset({"KeyError"}),
        reads=frozenset({"get", "contains", "size"}),
    )


def _map(state: Items, call: Call) -> Iterable[Items]:
    name = verb(call)
    if name == "size":
        return (state,) if agrees(call, len(state)) else ()
    key, *more = values(call)
    old = next((pair for pair in state if pair[0] == key), None)
    match name:
        case "get":
            fits = agrees(_answer_frozen(call), old[1]) if old else _is_nothing(call)
            return (state,) if fits else ()
        case "contains":
            return (state,) if agrees(call, old is not None) else ()
        case "put":
            new = (key, frozen(more[0]))
            return ((state - {old} if old else state) | {new},) if agrees(call, None) else ()
        case "put_if_absent":
            pair = old or (key, frozen(more[0]))
            return (state | {pair},) if agrees(_answer_frozen(call), pair[1]) else ()
        case "delete":
            fits = agrees(call, None) or agrees(call, old is not None)
        case "pop":
            fits = agrees(_answer_frozen(call), old[1]) if old else refuses(call, "KeyError")
        case _:
            raise no_such_operation("map", call)
    return (state - {old} if old else state,) if fits else ()


def _is_nothing(call: Call) -> bool:
    return agrees(call, None) or refuses(call, "KeyError")


def _first_argument(call: Call) -> Hashable:
    """The key; None for what looks at all of them, which takes no argument."""
    return next(iter(call.arguments.values()), None)


def _answer_frozen(call: Call) -> Call:
    """The call with an answer that compares with what is in a state."""
    if isinstance(call.result, list | set | dict | tuple):
        return Call(call.actor, call.step, call.name, {}, frozen(call.result), call.error,
                    pending=call.pending)  # fmt: skip
    return call
