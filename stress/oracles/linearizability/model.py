"""Sequential models: what an object answers when one call is made after the other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from stress.errors import InvalidArgument
from stress.oracles.history import Call

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a shortcut found: positions in the history, in an order that the model allows; None
    where there is no such order.
    """

    order: tuple[int, ...] | None


#: A faster check for histories of one shape; it gives None for those of another.
Shortcut = Callable[[Sequence[Call]], Decided | None]


@dataclass(frozen=True, slots=True)
class Model(Generic[State]):
    """The sequential specification of an object (Herlihy and Wing, "Linearizability", 1990).

    `step(state, call)` gives the states in which the object may be after `call`, made alone in
    `state`, gave the answer that it gave: one of them, several where that is left open, none where
    the answer is wrong. It is a pure function of the state and of the name, the arguments, the
    actor and the answer of the call. A call without an answer (`call.pending`) may give any, which
    `agrees` and `refuses` see to.

    `errors` are the exceptions that are answers, by the names of their types; every other one
    leaves open whether the call took effect. `reads` are the operations that never change the
    state, whatever it is. It makes the search shorter where they are named, and wrong where one
    of them does change something.

    `partition(call)` is the key of what the call touches: calls of different keys must not touch
    the same thing. Keys are then judged one by one, each from `initial`. A key of None says that
    the call touches more than one; a history with such a call is judged as a whole.

    `shortcut` decides histories of one shape faster than a search does: exactly as that would.
    """

    name: str
    initial: State
    step: Callable[[State, Call], Iterable[State]]
    partition: Callable[[Call], Hashable] | None = None
    errors: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    shortcut: Shortcut | None = None


def verb(call: Call) -> str:
    """The name of the operation without the family or class in front."""
    return call.name.rpartition(".")[2]


def values(call: Call) -> tuple[Any, ...]:
    """The arguments in the order in which they were recorded, whatever their names."""
    return tuple(call.arguments.values())


def agrees(call: Call, answer: object) -> bool:
    """Whether `answer` is what the call returned, or can be: nobody knows of a pending call."""
    return call.pending or (not call.error and bool(call.result == answer))


def refuses(call: Call, error: str) -> bool:
    """Whether the call raised an `error` (the name of the type), or can have done so."""
    return call.pending or error_type(call) == error


def error_type(call: Call) -> str:
    """The name of the type of the exception; empty where there was none."""
    return call.error.partition(":")[0]


def frozen(value: Any) -> Hashable:
    """`value` as part of a state: equal for equal values also where these have no hash."""
    if isinstance(value, Mapping):
        return frozenset((key, frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    if isinstance(value, set | frozenset):
        return frozenset(map(frozen, value))
    hash(value)
    return value  # type: ignore[no-any-return]


def renamed(model: Model[State], **names: str) -> Model[State]:
    """`model` for an object with other names for its methods: theirs = the model's.

    `renamed(COUNTER, hit="increment", hits="get")`.
    """
    missing = model.reads - set(names.values())
    reads = {name for name, known in names.items() if known in model.reads} | missing

    def known(call: Call) -> Call:
        return replace(call, name=names.get(verb(call), call.name))

    key = model.partition
    return replace(
        model,
        step=lambda state, call: model.step(state, known(call)),
        partition=None if key is None else lambda call: key(known(call)),
        reads=frozenset(reads),
        shortcut=None,
    )


def no_such_operation(name: str, call: Call) -> InvalidArgument:
    """What a model raises at a call that it knows nothing of: silence would be a verdict."""
    return InvalidArgument(
        f"the model {name!r} has no operation {verb(call)!r}; use `renamed`, or leave it out of "
        "the history"
    )
