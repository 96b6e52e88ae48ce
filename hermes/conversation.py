"""Messages of a conversation: how they are made, read and cut. Pure functions and plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermes.model_call import Answer

Message = dict[str, Any]

_THINK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)

#: Shares of the iterations at which the model is told to come to an end.
HINT_SHARES = (0.7, 0.9)


@dataclass
class Turn:
    """The mutable state of one turn: from a user's message to the agent's last word."""

    messages: list[Message]
    api_calls: int = 0
    final_response: str | None = None
    reasoning: str = ""
    error: str | None = None
    interrupted: bool = False
    partial: bool = False
    reached_limit: bool = False
    unknown_tools: int = 0
    bad_arguments: int = 0
    empty_replies: int = 0
    streamed: bool = field(default=False)

    def result(self, interrupt_message: str | None) -> dict[str, Any]:
        """What `run_conversation` returns."""
        result = {
            "final_response": self.final_response,
            "last_reasoning": self.reasoning or None,
            "messages": self.messages,
            "api_calls": self.api_calls,
            "completed": self.final_response is not None and not self.reached_limit,
            "partial": self.partial,
            "interrupted": self.interrupted,
            "response_previewed": self.streamed,
        }
        if self.error is not None:
            result["error"] = self.error
        if interrupt_message:
            result["interrupt_message"] = interrupt_message
        return result


def strip_think_blocks(text: str) -> str:
    """`text` without what the model only thought."""
    return _THINK.sub("", text).strip()


def assistant_message(answer: Answer) -> Message:
    """The model's answer as a message."""
    message: Message = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [dict(call) for call in answer.tool_calls]
    if answer.finish_reason:
        message["finish_reason"] = answer.finish_reason
    return message


def tool_message(call: Mapping[str, Any], content: str) -> Message:
    """The answer to a tool call."""
    name = call["function"]["name"]
    return {"role": "tool", "tool_call_id": call["id"], "tool_name": name, "content": content}


def for_model(messages: Sequence[Message], system: str) -> list[Message]:
    """The messages as the endpoint is sent them: its own keys only, the system prompt first."""
    known = ("role", "content", "tool_calls", "tool_call_id")
    sent = [{key: m[key] for key in known if m.get(key) is not None} for m in messages]
    return [{"role": "system", "content": system}, *sent] if system else sent


def parse_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a tool call. Raises ValueError where they are no JSON object."""
    text = call["function"]["arguments"] or "{}"
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"arguments must be an object, not {type(value).__name__}")
    return value


def budget_hint(used: int, total: int) -> str:
    """What the model is told when its iterations run out; empty before that."""
    if total <= 0 or used < HINT_SHARES[0] * total:
        return ""
    urgency = "answer now" if used >= HINT_SHARES[1] * total else "come to an end"
    return f"{used} of {total} iterations are used: {urgency}."


def with_hint(content: str, hint: str) -> str:
    """A tool's result with a hint: as a key where the result is a JSON object."""
    if not hint:
        return content
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return json.dumps({**value, "_budget_warning": hint}, ensure_ascii=False)
    return f"{content}\n\n[{hint}]"


def preview(arguments: Mapping[str, Any]) -> str:
    """The first argument of a tool call, in one short line."""
    value = next(iter(arguments.values()), "") if arguments else ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())[:80]
