"""Family `interrupts`: turns with running children, and threads that interrupt them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermes.agent import AIAgent
from stress.finding import Violation
from stress.oracles import delegation as oracle
from stress.oracles.history import Call
from stress.plan import Operation
from stress.workloads.delegation import TOOLSETS, goal_of, parent_agent
from stress.workloads.family import ACTOR_PREFIX, Family, Stage
from stress.workloads.script import Reply, Script, ToolCall

#: How long an interrupter waits for a turn to begin before it gives up, in seconds.
PATIENCE_S = 5.0
POLL_S = 0.001
Drawn = tuple[str, dict[str, Any]]


@dataclass
class State:
    """The parents by actor, which of them are inside a turn, and how many turns are to come."""

    stage: Stage
    parents: dict[str, AIAgent]
    turns_left: dict[str, int]
    under_way: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)


def draw_turn(source: random.Random, parent: str, number: int) -> Drawn:
    """A turn whose children end early or go on for many requests unless they are stopped."""
    tasks = []
    lengths = source.choice([(0, 1), (0, 1), (1, 12), (12, 12)])
    for index in range(3):
        label = f"{parent}-{number}-{index}"
        turns = source.choice(lengths)
        step = ToolCall("list_files", {"path": "."})
        replies = [Reply(f"{label} turn {turn}", (step,)) for turn in range(turns)]
        script = Script((*replies, Reply(f"{label} summary")))
        tasks.append({"goal": label, "script": script.to_json()})
    return "interrupts.turn", {"parent": parent, "tasks": tasks}


def draw_send(source: random.Random, parent: str) -> Drawn:
    """An interrupt that comes a while after the turn began or after its children are there."""
    children = source.choice([0, 1, 3, 3])
    latest_s = 0.05 if children else 0.15
    after_s = round(source.uniform(0, latest_s), 4)
    return "interrupts.send", {"parent": parent, "children": children, "after_s": after_s}


def draw_storm(source: random.Random, prefix: str, size: int) -> list[tuple[str, list[Drawn]]]:
    """One parent and two interrupters that aim at its turns."""
    parent = f"{prefix}-parent"
    turns = [draw_turn(source, parent, number) for number in range(size)]
    actors = [(parent, turns)]
    for number in range(2):
        sends = [draw_send(source, parent) for _ in range(2 * size)]
        actors.append((f"{prefix}-interrupter-{number}", sends))
    return actors


def open_state(stage: Stage) -> State:
    """Build the parents on this thread."""
    names = sorted(
        {
            str(op.arguments["parent"])
            for op in stage.plan.operations
            if op.name.startswith("interrupts.")
        }
    )
    parents = {name: parent_agent(stage) for name in names}
    turns = Counter(
        str(op.arguments["parent"]) for op in stage.plan.operations if op.name == "interrupts.turn"
    )
    return State(stage, parents, dict(turns))


def turn(state: State, actor: str, operation: Operation) -> dict[str, Any]:
    """Run one turn that delegates; it may end at any moment."""
    parent = state.parents[actor]
    goals = [{"goal": goal_of(task), "toolsets": TOOLSETS} for task in operation.arguments["tasks"]]
    call = ToolCall("delegate_task", {"tasks": goals})
    script = Script((Reply("delegating", (call,)), Reply("all done")))
    with state.changed:
        state.turns_left[actor] -= 1
        state.under_way.add(actor)
        state.changed.notify_all()
    try:
        result = parent.run_conversation(script.embed("delegate this"))
    finally:
        with state.changed:
            state.under_way.discard(actor)
            state.changed.notify_all()
    return {"interrupted": bool(result["interrupted"]), "left": len(parent._active_children)}


def send(state: State, actor: str, operation: Operation) -> dict[str, Any] | None:
    """Interrupt a parent while its turn is under way; None where it was over too soon."""
    name = str(operation.arguments["parent"])
    with state.changed:
        state.changed.wait_for(
            lambda: name in state.under_way or not state.turns_left[name], PATIENCE_S
        )
        if name not in state.under_way:
            return None
    parent = state.parents[name]
    while len(parent._active_children) < operation.arguments["children"]:
        if name not in state.under_way:
            return None
        time.sleep(POLL_S)
    time.sleep(float(operation.arguments["after_s"]))
    received = state.stage.observations.interrupted
    mark = len(received)
    before = [child.session_id for child in list(parent._active_children)]
    parent.interrupt("stop")
    after = [child.session_id for child in list(parent._active_children)]
    return {
        "parent": parent.session_id,
        "before": before,
        "after": after,
        "received": received[mark:],
    }


def judge(state: State, calls: Sequence[Call]) -> Iterable[Violation]:
    """Each interrupt reached whom it had to, and nobody went on."""
    seen = state.stage.observations
    left = {name: len(parent._active_children) for name, parent in state.parents.items()}
    yield from oracle.check_registration((), left)
    yield from oracle.check_interrupts_reach(calls)
    yield from oracle.check_interrupts_stop(calls, seen.built, seen.model_calls)
    yield from oracle.check_builders(seen.built, ACTOR_PREFIX)


def close(state: State) -> None:
    """Close the parents' clients."""
    for parent in state.parents.values():
        parent.close()


FAMILY = Family(
    name="interrupts",
    open=open_state,
    close=close,
    handlers={"turn": turn, "send": send},
    judge=judge,
)


def draw_actors(source: random.Random, size: int) -> Iterable[tuple[str, list[Drawn]]]:
    """Two storms at once, so that one agent's interrupt could hit the other's children."""
    for number in range(2):
        yield from draw_storm(source, f"storm-{number}", 2 * size)
