"""Checking histories, beside the same operations once through the sequential model."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from time import process_time
from typing import Any

from benchmarks.news import News
from benchmarks.rows import Bar, Row
from stress.finding import Verdict
from stress.oracles.history import Call
from stress.oracles.linearizability import Model, Result, check, check_session_db, key_value_map
from stress.oracles.linearizability.sessions import SESSIONS

GROUP = "histories held against a model"
#: Times the floor: a search asks the model at least once for each call.
BAR = Bar(50, at_least=False)


def linearizability(quick: bool, news: News) -> list[Row]:
    """A row for a large history of many keys, one without partition, and one of message logs."""
    size = 2_000 if quick else 10_000
    clients = 8
    store = key_value_map()
    whole = replace(store, partition=None)
    news(f"linearizability: {size:,} operations")
    large = map_history(size, clients, keys=100)
    news("linearizability: without partition")
    small = map_history(100 * clients, clients, keys=8)
    news("linearizability: message logs")
    log = log_history(2 * size, clients, sessions=4)
    return [
        history_row(f"{size:,} operations, {clients} clients, 100 keys", large, store),
        history_row(f"{clients} clients × 100 operations, not partitioned", small, whole),
        history_row(f"{2 * size:,} operations, {clients} clients, 4 logs", log, SESSIONS),
    ]


def history_row(name: str, calls: Sequence[Call], model: Model[Any]) -> Row:
    """Seconds of processor for a check, and of the model alone in the order that was found."""
    began = process_time()
    result = checked(calls, model)
    seconds = process_time() - began
    if result.verdict is not Verdict.HOLDS:
        raise SystemExit(f"a history of the benchmarks: {result.reason}")
    tracemalloc.start()
    checked(calls, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Row(
        group=GROUP,
        name=name,
        figure=seconds,
        unit="s",
        beside="s through the model:",
        other=floor(result, model),
        bar=BAR,
        note=(
            f"{result.states:,} states, at most {result.memo:,} in the memo, "
            f"peak {peak / 2**20:.1f} MiB"
        ),
    )


def checked(calls: Sequence[Call], model: Model[Any]) -> Result:
    """The check that a user calls."""
    return check_session_db(calls) if model is SESSIONS else check(calls, model)


def floor(result: Result, model: Model[Any]) -> float:
    """Seconds of processor for one step of the model a call, one after the other."""
    began = process_time()
    for part in result.linearizations:
        state = model.initial
        for call in part.calls:
            (state,) = model.step(state, call)
    return process_time() - began


def map_history(size: int, clients: int, keys: int, seed: int = 1) -> list[Call]:
    """Clients that are always busy: each call takes effect at a moment between its two ends."""
    source = random.Random(seed)
    items: dict[str, int] = {}
    calls = []
    for number, (moment, client, began, ended) in enumerate(_intervals(source, size, clients)):
        del moment
        key, drawn = f"k{source.randrange(keys)}", source.random()
        if drawn < 0.5:
            calls.append(_call(client, "get", items.get(key), began, ended, key=key))
        elif drawn < 0.9:
            items[key] = number
            calls.append(_call(client, "put", None, began, ended, key=key, value=number))
        else:
            gone = items.pop(key, None) is not None
            calls.append(_call(client, "delete", gone, began, ended, key=key))
    return calls


def log_history(size: int, clients: int, sessions: int, seed: int = 1) -> list[Call]:
    """Appends to sessions, counts, and now and then a read of all."""
    source = random.Random(seed)
    ids = count(1)
    logs: dict[str, list[dict[str, Any]]] = {f"s{number}": [] for number in range(sessions)}
    calls = [_call(0, "create_session", name, -9, -8, session_id=name) for name in logs]
    for moment, client, began, ended in _intervals(source, size, clients):
        name, drawn = f"s{source.randrange(sessions)}", source.random()
        log = logs[name]
        if drawn < 0.8:
            row = {"id": next(ids), "role": "user", "content": f"{began}", "timestamp": moment}
            log.append(row)
            given = {"session_id": name, "role": "user", "content": f"{began}"}
            calls.append(_call(client, "append_message", row["id"], began, ended, **given))
        elif drawn < 0.99:
            gives = len(log)
            calls.append(_call(client, "message_count", gives, began, ended, session_id=name))
        else:
            calls.append(_call(client, "get_messages", list(log), began, ended, session_id=name))
    return calls


def _intervals(source: random.Random, size: int, clients: int) -> list[tuple[int, int, int, int]]:
    """The moment of the effect, the client, and both ends of each call, by the moments."""
    free = [0] * clients
    found = []
    for _ in range(size):
        client = min(range(clients), key=free.__getitem__)
        began = free[client] + source.randrange(1, 20)
        ended = began + source.randrange(50, 150)
        free[client] = ended
        found.append((source.randint(began, ended), client, began, ended))
    return sorted(found)


def _call(client: int, name: str, gives: object, began: int, ended: int, **given: object) -> Call:
    return Call(f"client-{client}", began, name, given, gives, began_ns=began, ended_ns=ended)
