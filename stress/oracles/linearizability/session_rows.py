"""What SessionDB returns, as small values that can be compared and fit into a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from stress.oracles.history import Call
from stress.oracles.linearizability.model import verb


class Message(NamedTuple):
    """A message. The id of the row is 0 where its append was never answered."""

    id: int
    role: str
    content: str | None

    def __repr__(self) -> str:
        """Short, for pictures."""
        return f"#{self.id} {self.content!r}"


class Counters(NamedTuple):
    """The counters of a session, and whether it was ended."""

    messages: int = 0
    tools: int = 0
    input: int = 0
    output: int = 0
    ended: bool = False

    def __repr__(self) -> str:
        """What is not 0, for pictures; messages always."""
        others = [f"{name}={value}" for name, value in self._asdict().items() if value]
        return f"({', '.join(others) or 'messages=0'})"


def compact(call: Call) -> Call:
    """`call` with what the model compares as its answer."""
    if call.pending or call.error or call.result is None:
        return call
    match verb(call):
        case "get_session":
            return replace(call, result=_counters(call.result))
        case "get_messages":
            return replace(call, result=_messages(call.result))
        case "export_session":
            exported = _counters(call.result), _messages(call.result["messages"])
            return replace(call, result=exported)
    return call


def tool_count(arguments: Mapping[str, Any]) -> int:
    """How many calls of tools a message counts for."""
    calls = arguments.get("tool_calls")
    return len(calls) if isinstance(calls, list) else int(bool(calls))


def _counters(row: Mapping[str, Any]) -> Counters:
    return Counters(
        row["message_count"],
        row["tool_call_count"],
        row["input_tokens"],
        row["output_tokens"],
        row["ended_at"] is not None,
    )


def _messages(rows: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """By row id, the order of the appends. Rows come by the time at which their append began;
    where they do not, they are left as they came, and then fit no state.
    """
    found = [Message(row["id"], row["role"], row["content"]) for row in rows]
    came = [(row["timestamp"], row["id"]) for row in rows]
    in_order = came == sorted(came)
    return tuple(sorted(found, key=lambda row: row.id) if in_order else found)
