"""Family `clients`: several threads ask for the auxiliary client of the same key at once."""

from __future__ import annotations

import functools
import os
import random
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import openai

from hermes import auxiliary_client
from stress.finding import Violation
from stress.oracles import process as oracle
from stress.oracles.history import Call
from stress.plan import Operation
from stress.workloads.delegation import MODEL
from stress.workloads.family import Family, Stage
from stress.workloads.script import Reply, Script

#: How long an actor waits for the others before it goes ahead alone, in seconds.
MEETING_S = 10.0
Drawn = tuple[str, dict[str, Any]]


@dataclass
class State:
    """One meeting point per key, every client built (kept, so that identities stay unique)."""

    stage: Stage
    meetings: dict[str, threading.Barrier]
    stack: ExitStack
    built: list[openai.OpenAI] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)


def draw_caller(source: random.Random, label: str, keys: Sequence[str]) -> list[Drawn]:
    """Resolve each key together with the others; now and then use a client for a real call."""
    drawn: list[Drawn] = []
    for key in keys:
        drawn.append(("clients.resolve", {"key": key}))
        if source.random() < 0.2:
            answer = f"{label} heard {key}"
            script = Script((Reply(answer),)).to_json()
            drawn.append(("clients.call", {"key": key, "script": script, "answer": answer}))
    return drawn


def open_state(stage: Stage) -> State:
    """Make the meeting points and start to notice every client that is built."""
    parties: dict[str, int] = {}
    for operation in stage.plan.operations:
        if operation.name == "clients.resolve":
            key = str(operation.arguments["key"])
            parties[key] = parties.get(key, 0) + 1
    state = State(stage, {k: threading.Barrier(n) for k, n in parties.items()}, ExitStack())
    construct = openai.OpenAI.__init__

    @functools.wraps(construct)
    def probe(self: openai.OpenAI, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        state.built.append(self)

    state.stack.enter_context(mock.patch.object(openai.OpenAI, "__init__", probe))
    return state


def url_of(key: str) -> str:
    """Each key is a path of its own on the endpoint; requests go to the plain one."""
    return f"{os.environ['OPENAI_BASE_URL'].rstrip('/')}/{key}"


def resolve(state: State, actor: str, operation: Operation) -> int:
    """The number of the client object that this caller was given."""
    key = str(operation.arguments["key"])
    with suppress(threading.BrokenBarrierError):
        state.meetings[key].wait(MEETING_S)
    client, _ = auxiliary_client._get_cached_client(
        "custom", MODEL, base_url=url_of(key), api_key=os.environ["OPENAI_API_KEY"]
    )
    if client is None:
        raise LookupError(f"no client for {key!r}")
    state.given.append(client)
    return id(client)


def call(state: State, actor: str, operation: Operation) -> str:
    """The answer of one auxiliary request."""
    text = Script.from_json(operation.arguments["script"]).embed("summarise")
    response = auxiliary_client.call_llm(
        provider="custom",
        model=MODEL,
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
        messages=[{"role": "user", "content": text}],
    )
    return str(response.choices[0].message.content)


def judge(state: State, calls: Sequence[Call]) -> Iterable[Violation]:
    """One client for all callers of a key, the others closed; each call its own answer."""
    resolutions = [
        oracle.Resolution(str(c.arguments["key"]), int(c.result))
        for c in calls
        if c.name == "clients.resolve" and not c.error
    ]
    keys = {url_of(resolution.key): resolution.key for resolution in resolutions}
    unclosed: dict[str, int] = {}
    for client in state.built:
        key = keys.get(str(client.base_url).rstrip("/"))
        if key is not None and not client.is_closed():
            unclosed[key] = unclosed.get(key, 0) + 1
    yield from oracle.check_one_client(resolutions, unclosed)
    answers = {
        f"{c.actor} step {c.step}": (str(c.arguments["answer"]), str(c.result))
        for c in calls
        if c.name == "clients.call" and not c.error
    }
    yield from oracle.check_answers(answers)


def close(state: State) -> None:
    """Close what the cache holds, and what a lost race left open."""
    state.stack.close()
    auxiliary_client.close_cached_clients()
    for client in state.built:
        client.close()


FAMILY = Family(
    name="clients",
    open=open_state,
    close=close,
    handlers={"resolve": resolve, "call": call},
    judge=judge,
)


def draw_actors(source: random.Random, size: int) -> Iterable[tuple[str, list[Drawn]]]:
    """Four callers that meet at each key."""
    keys = [f"key-{number}" for number in range(4 * size)]
    for number in range(4):
        yield f"caller-{number}", draw_caller(source, f"c{number}", keys)
