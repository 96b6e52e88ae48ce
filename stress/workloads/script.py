"""Scripts: what the model server answers, carried by the conversation itself.

A script is embedded in a user message as a short marker. The server is told nothing else: it finds
the script in the conversation, counts the assistant's turns since, and answers with that reply.
Scripts nest: a parent's `delegate_task` call has goals with scripts of their own.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULT_KINDS = (
    "delay",  # waits, then answers as if nothing had happened
    "rate_limit",  # 429 that asks to come again after `seconds`
    "server_error",  # 500 likewise
    "reset",  # the connection is reset in the middle of the body
    "malformed",  # a body (streamed: a frame) that is no JSON
    "garbage_frame",  # the same: the two differ in what a reader of a plan expects
    "stall",  # the body stops in the middle, is silent for `seconds`, then closes
    "late_cut",  # the body stops in the middle and the connection closes in good order
)
SCRIPT_BYTES_MAX = 2**24
_MARKER = re.compile(r" ?⟦script:([A-Za-z0-9_-]+)⟧")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one attempt; `seconds` is the length of a delay, a stall or a wait.

    Raises ValueError on an unknown kind and on seconds that are negative or not finite.
    """

    kind: str
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; choose of {', '.join(FAULT_KINDS)}")
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError(f"a fault cannot last {self.seconds!r} seconds")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for; the arguments are JSON values."""

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
        return [_reply_to_json(reply) for reply in self.replies]

    @classmethod
    def from_json(cls, value: Sequence[Mapping[str, Any]]) -> Script:
        """Inverse of `to_json`. Raises AttributeError, KeyError, TypeError or ValueError on
        foreign data."""
        return cls(tuple(_reply_from_json(reply) for reply in value))

    def embed(self, text: str) -> str:
        """`text` with this script in a marker behind it, in place of any that it carried."""
        plain = json.dumps(self.to_json(), separators=(",", ":")).encode()
        packed = min(plain, zlib.compress(plain), key=len)
        marker = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        return f"{self.strip(text)} ⟦script:{marker}⟧"

    @classmethod
    def find(cls, text: str) -> Script | None:
        """The script that `text` carries, None where it carries none.

        Raises ValueError when there is a marker that cannot be read.
        """
        marker = _MARKER.search(text)
        return None if marker is None else cls._unpack(marker[1])

    @classmethod
    def _unpack(cls, marker: str) -> Script:
        try:
            packed = base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4))
            # JSON begins with a bracket, which no compressed stream does. The bound is for streams
            # that are small and swell.
            if not packed.startswith(b"["):
                packed = zlib.decompressobj().decompress(packed, SCRIPT_BYTES_MAX)
            return cls.from_json(json.loads(packed))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as why:
            raise ValueError(f"the script in the conversation is damaged: {why!r}") from why

    @staticmethod
    def strip(text: str) -> str:
        """`text` as it was before a script was embedded."""
        return _MARKER.sub("", text)


def _reply_to_json(reply: Reply) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if reply.text:
        value["text"] = reply.text
    if reply.tool_calls:
        value["tool_calls"] = [
            {"name": call.name, "arguments": dict(call.arguments)} for call in reply.tool_calls
        ]
    if reply.faults:
        value["faults"] = [{"kind": fault.kind, "seconds": fault.seconds} for fault in reply.faults]
    return value


def _reply_from_json(value: Mapping[str, Any]) -> Reply:
    calls = (
        ToolCall(str(call["name"]), dict(call.get("arguments", {})))
        for call in value.get("tool_calls", ())
    )
    faults = (
        Fault(str(fault["kind"]), float(fault.get("seconds", 0.0)))
        for fault in value.get("faults", ())
    )
    return Reply(str(value.get("text", "")), tuple(calls), tuple(faults))
