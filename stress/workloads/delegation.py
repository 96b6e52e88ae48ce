"""Family `delegation`: parents that delegate batches to concurrent children, over real TLS."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hermes.agent import BROKEN_ANSWER_TRIES, AIAgent, IterationBudget
from hermes.delegate_tool import delegate_task
from stress.finding import Violation
from stress.oracles import delegation as oracle
from stress.oracles.history import Call
from stress.plan import Operation
from stress.workloads.family import ACTOR_PREFIX, Family, Stage
from stress.workloads.script import Fault, Reply, Script, ToolCall

MODEL = "scripted"
TOOLSETS = ["terminal", "file"]
BUDGET_SHARE = 0.6
FAULTY_SHARE = 0.05
FAILING_SHARE = 0.04
Drawn = tuple[str, dict[str, Any]]

#: Faults that the SDK or the agent gets over by trying again.
_PASSING = (
    Fault("delay", 0.02),
    Fault("rate_limit"),
    Fault("server_error"),
    Fault("reset"),
    Fault("malformed"),
)


@dataclass
class State:
    """The parents by actor, and one budget that all actors draw from."""

    stage: Stage
    parents: dict[str, AIAgent]
    budget: IterationBudget


def parent_agent(stage: Stage, **options: Any) -> AIAgent:
    """A top-level agent on the shared store; the endpoint comes from the environment."""
    return AIAgent(
        model=MODEL,
        quiet_mode=True,
        platform="cli",
        session_db=stage.store,
        enabled_toolsets=[*TOOLSETS, "delegation"],
        **options,
    )


def draw_faults(source: random.Random) -> tuple[Fault, ...]:
    """Most requests go well."""
    return (source.choice(_PASSING),) if source.random() < FAULTY_SHARE else ()


def draw_task(source: random.Random, label: str) -> dict[str, Any]:
    """A task with its script, and the status and summary that the script implies.

    A few tasks fail for good: their batch must end, and be unregistered, like any other.
    """
    replies = []
    for turn in range(source.choice([0, 0, 1, 1, 2])):
        path = f"{label}-{turn}.txt"
        call = source.choice(
            [
                ToolCall("write_file", {"path": path, "content": label}),
                ToolCall("list_files", {"path": "."}),
                ToolCall("terminal", {"command": f"echo {label}"}),
            ]
        )
        replies.append(Reply(f"{label} turn {turn}", (call,), draw_faults(source)))
    summary, status = f"{label} summary", "completed"
    faults = draw_faults(source)
    if source.random() < FAILING_SHARE:
        summary, status = "", "failed"
        faults = (Fault("malformed"),) * BROKEN_ANSWER_TRIES
    replies.append(Reply(summary, faults=faults))
    return {
        "goal": label,
        "script": Script(tuple(replies)).to_json(),
        "status": status,
        "summary": summary,
    }


def draw_batch(source: random.Random, label: str) -> Drawn:
    """A batch of one to three tasks, called as a tool or through one or two calls of a turn."""
    count = source.choice([1, 2, 3, 3, 3, 3])
    tasks = [draw_task(source, f"{label}-{index}") for index in range(count)]
    via = source.choice(["tool", "tool", "turn", "two calls" if count > 1 else "turn"])
    return "delegation.batch", {"via": via, "tasks": tasks}


def draw_parent(source: random.Random, actor: str, size: int) -> list[Drawn]:
    """Batches of one parent, with a few grabs at the common budget between them."""
    drawn: list[Drawn] = []
    for number in range(size):
        drawn.append(("delegation.budget", {"asks": source.randrange(5, 40)}))
        drawn.append(draw_batch(source, f"{actor}-{number}"))
    return drawn


def open_state(stage: Stage) -> State:
    """Build the parents on this thread."""
    actors = [
        actor.name
        for actor in stage.plan.actors
        if any(op.name.startswith("delegation.") for op in actor.operations)
    ]
    asks = sum(
        int(op.arguments["asks"]) for op in stage.plan.operations if op.name == "delegation.budget"
    )
    parents = {actor: parent_agent(stage) for actor in actors}
    return State(stage, parents, IterationBudget(int(asks * BUDGET_SHARE)))


def goal_of(task: dict[str, Any]) -> str:
    """The goal as the child is given it: its text with its script embedded."""
    return Script.from_json(task["script"]).embed(str(task["goal"]))


def batch(state: State, actor: str, operation: Operation) -> dict[str, Any]:
    """Delegate a batch and give back the status and summary of each task."""
    parent = state.parents[actor]
    goals = [{"goal": goal_of(task), "toolsets": TOOLSETS} for task in operation.arguments["tasks"]]
    via = operation.arguments["via"]
    if via == "tool":
        answers = [delegate_task(tasks=goals, parent_agent=parent)]
    else:
        half = len(goals) // 2 if via == "two calls" else 0
        shares = [goals[:half], goals[half:]] if half else [goals]
        answers = delegate_in_turn(parent, shares)
    results: list[dict[str, Any]] = []
    for answer in answers:
        decoded = json.loads(answer)
        if "results" not in decoded:
            raise ValueError(f"delegate_task answered {answer[:200]}")
        offset = len(results)
        for entry in decoded["results"]:
            kept = {key: entry.get(key) for key in ("status", "summary", "error")}
            results.append({"task_index": entry["task_index"] + offset, **kept})
    return {"results": results, "left": len(parent._active_children)}


def delegate_in_turn(parent: AIAgent, shares: Sequence[Any]) -> list[str]:
    """Let the model call delegate_task once per share in one turn; the tools' answers."""
    calls = tuple(ToolCall("delegate_task", {"tasks": share}) for share in shares)
    script = Script((Reply("delegating", calls), Reply("all done")))
    result = parent.run_conversation(script.embed("delegate this"))
    if result.get("error"):
        raise RuntimeError(f"the parent's turn failed: {result['error']}")
    return [m["content"] for m in result["messages"] if m.get("role") == "tool"]


def take_budget(state: State, actor: str, operation: Operation) -> int:
    """Ask the common budget many times; how often it granted."""
    return sum(state.budget.consume() for _ in range(int(operation.arguments["asks"])))


def transcripts(state: State, calls: Sequence[Call]) -> Iterator[oracle.Transcript]:
    """Hold what each completed child should have said against what the store has."""
    said: dict[str, tuple[str, ...]] = {}
    for call in calls:
        if call.name == "delegation.batch" and not call.error:
            for task, entry in zip(call.arguments["tasks"], call.result["results"], strict=False):
                if entry["status"] == "completed":
                    replies = Script.from_json(task["script"]).replies
                    said[str(task["goal"])] = tuple(reply.text for reply in replies)
    parents = {parent.session_id for parent in state.parents.values()}
    for agent in state.stage.observations.built:
        if agent.parent not in parents:
            continue
        messages = state.stage.store.get_messages(agent.session)
        goals = [Script.strip(m["content"]) for m in messages if m["role"] == "user"]
        stored = tuple(m["content"] for m in messages if m["role"] == "assistant")
        if goals and goals[0] in said:
            yield oracle.Transcript(agent.session, said.pop(goals[0]), stored)
    for goal, expected in said.items():
        yield oracle.Transcript(f"of task {goal}", expected, ())


def judge(state: State, calls: Sequence[Call]) -> Iterable[Violation]:
    """Results, registration, building threads, transcripts and budgets."""
    left = {name: len(parent._active_children) for name, parent in state.parents.items()}
    yield from oracle.check_results(calls)
    yield from oracle.check_registration(calls, left)
    yield from oracle.check_builders(state.stage.observations.built, ACTOR_PREFIX)
    yield from oracle.check_transcripts(transcripts(state, calls))
    grabs = [call for call in calls if call.name == "delegation.budget" and not call.error]
    asks = sum(int(call.arguments["asks"]) for call in grabs)
    granted = sum(int(call.result) for call in grabs)
    yield from oracle.check_budget("the common budget", state.budget.max_total, asks, granted)
    for name, parent in state.parents.items():
        budget = parent.iteration_budget
        if budget.used > budget.max_total:
            yield from oracle.check_budget(name, budget.max_total, budget.used, budget.used)


def close(state: State) -> None:
    """Close the parents' clients."""
    for parent in state.parents.values():
        parent.close()


FAMILY = Family(
    name="delegation",
    open=open_state,
    close=close,
    handlers={"batch": batch, "budget": take_budget},
    judge=judge,
)


def draw_actors(source: random.Random, size: int) -> Iterable[tuple[str, list[Drawn]]]:
    """Three parents at once."""
    for number in range(3):
        yield f"parent-{number}", draw_parent(source, f"p{number}", 2 * size)
