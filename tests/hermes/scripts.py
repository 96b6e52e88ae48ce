"""Short forms for the scripts of these tests."""

from __future__ import annotations

from typing import Any

from hermes.agent import AIAgent
from stress.workloads.script import Fault, Reply, Script, ToolCall


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments)


def says(text: str, *faults: Fault) -> Reply:
    return Reply(text, faults=faults)


def does(*calls: ToolCall, text: str = "") -> Reply:
    return Reply(text, calls)


def goal(text: str, *replies: Reply) -> str:
    """A message that makes the model answer with these replies, one after the other."""
    return Script(replies).embed(text)


def run(agent: AIAgent, *replies: Reply, **options: Any) -> dict[str, Any]:
    """One turn in which the model answers with these replies."""
    return agent.run_conversation(goal("go", *replies), **options)


def tool_results(result: dict[str, Any]) -> list[str]:
    return [m["content"] for m in result["messages"] if m["role"] == "tool"]
