"""Scripts: what the model server answers, carried by the conversation itself.

A script is embedded in a user message as a short marker. The server is told nothing else: it finds
the script in the conversation, counts the assistant's turns since, and answers with that reply.
Scripts nest: a parent's `delegate_task` call has goals with scripts of their own.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULT_KINDS = (
    "delay",
    "rate_limit",
    "server_error",
    "reset",
    "malformed",
    "garbage_frame",
    "stall",
    "late_cut",
)
_MARKER = re.compile(r"⟦script:([A-Za-z0-9_-]+)⟧")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one attempt; `seconds` is the length of a delay, a stall or a wait."""

    kind: str
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; choose of {', '.join(FAULT_KINDS)}")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn of the model. Attempt i suffers `faults[i]`; after them the reply succeeds."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """The replies of one conversation, in order."""

    replies: tuple[Reply, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        """The script as JSON values, without what is empty."""
        return [_reply_json(reply) for reply in self.replies]

    @classmethod
    def from_json(cls, value: Sequence[Mapping[str, Any]]) -> Script:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError on foreign data."""
        return cls(
            tuple(
                Reply(
                    str(reply.get("text", "")),
                    tuple(
                        ToolCall(str(call["name"]), dict(call["arguments"]))
                        for call in reply.get("tool_calls", ())
                    ),
                    tuple(
                        Fault(str(fault["kind"]), float(fault.get("seconds", 0.0)))
                        for fault in reply.get("faults", ())
                    ),
                )
                for reply in value
            )
        )

    def embed(self, text: str) -> str:
        """`text` with this script in a marker behind it."""
        packed = zlib.compress(json.dumps(self.to_json(), separators=(",", ":")).encode(), 1)
        return f"{text} ⟦script:{base64.urlsafe_b64encode(packed).decode().rstrip('=')}⟧"

    @classmethod
    def find(cls, text: str) -> Script | None:
        """The script that `text` carries, None where there is none or it is damaged."""
        marker = _MARKER.search(text)
        if marker is None:
            return None
        try:
            packed = base64.urlsafe_b64decode(marker[1] + "=" * (-len(marker[1]) % 4))
            return cls.from_json(json.loads(zlib.decompress(packed)))
        except (ValueError, KeyError, TypeError, zlib.error):
            return None

    @staticmethod
    def strip(text: str) -> str:
        """`text` as it was before a script was embedded."""
        return _MARKER.sub("", text).rstrip()


def _reply_json(reply: Reply) -> dict[str, Any]:
    value: dict[str, Any] = {"text": reply.text}
    if reply.tool_calls:
        value["tool_calls"] = [
            {"name": call.name, "arguments": dict(call.arguments)} for call in reply.tool_calls
        ]
    if reply.faults:
        value["faults"] = [{"kind": fault.kind, "seconds": fault.seconds} for fault in reply.faults]
    return value
