"""One request to the model, on a thread and a client of its own, that can be given up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai

POLL_S = 0.05
#: How long a request that was given up may take to notice, in seconds, before it is left alone.
WIND_DOWN_S = 2.0


@dataclass(frozen=True)
class Answer:
    """What the model said. `tool_calls` are in the form of a conversation's messages."""

    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""


class _GivenUp(BaseException):
    """Ends the SDK's own retries: it catches every Exception."""


@dataclass
class Connections:
    """The sockets of a client, so that another thread can end a read without closing anything.

    Closing a descriptor under a thread that waits on it would let the next socket of the process
    take its number; shutting the connection down wakes the reader, which then closes it itself.
    """

    given_up: threading.Event = field(default_factory=threading.Event)
    _streams: list[Any] = field(default_factory=list)

    def on_request(self, request: Any) -> None:
        """Event hook of the HTTP client: notice the connection that this request makes."""
        if self.given_up.is_set():
            raise _GivenUp
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._streams.append(info["return_value"])
            if self.given_up.is_set():
                self.give_up()

    def give_up(self) -> None:
        """End every connection; may be called from any thread, more than once."""
        self.given_up.set()
        for stream in list(self._streams):
            connection = stream.get_extra_info("socket")
            try:
                # Past ssl.SSLSocket.shutdown, which drops the TLS state that the reader still uses.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except (OSError, AttributeError, TypeError):  # It is closed already.
                pass


def interruptible_call(
    make_client: Callable[[Connections], openai.OpenAI],
    request: Mapping[str, Any],
    is_interrupted: Callable[[], bool],
    on_delta: Callable[[str], None] | None = None,
) -> Answer:
    """Make a request and wait for it. Raises InterruptedError as soon as `is_interrupted()`.

    The client is made and closed by the thread that uses it. With `on_delta` the answer is
    streamed and each piece of text is given to it, from that thread. Raises what the SDK raises,
    and json.JSONDecodeError where the endpoint sends no JSON.
    """
    connections = Connections()
    done = threading.Event()
    outcome: list[Answer | BaseException] = []

    def work() -> None:
        try:
            client = make_client(connections)
            try:
                outcome.append(_ask(client, request, on_delta))
            finally:
                client.close()
        except BaseException as error:
            outcome.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="model-request", daemon=True)
    thread.start()
    while not done.wait(POLL_S):
        if is_interrupted():
            connections.give_up()
            thread.join(WIND_DOWN_S)
            raise InterruptedError("the request was interrupted")
    thread.join()
    (result,) = outcome
    if isinstance(result, _GivenUp):
        raise InterruptedError("the request was interrupted")
    if isinstance(result, BaseException):
        raise result
    return result


def is_worth_retrying(error: BaseException, *, streamed: bool) -> bool:
    """Whether the SDK has not tried again already: broken bodies, and streams that broke off."""
    if isinstance(error, json.JSONDecodeError):
        return True
    if not streamed or isinstance(error, openai.APIStatusError):
        return False
    return isinstance(error, openai.APIError) or type(error).__module__.startswith("httpx")


def _ask(
    client: openai.OpenAI, request: Mapping[str, Any], on_delta: Callable[[str], None] | None
) -> Answer:
    if on_delta is None:
        return _whole(client.chat.completions.create(**request))
    streamed = {**request, "stream": True, "stream_options": {"include_usage": True}}
    with client.chat.completions.create(**streamed) as stream:
        return _assembled(stream, on_delta)


def _whole(response: Any) -> Answer:
    if not getattr(response, "choices", None):
        raise openai.APIError("the endpoint's answer has no choices", request=None, body=None)  # type: ignore[arg-type]
    choice, usage = response.choices[0], response.usage
    calls = [
        _tool_call(call.id, call.function.name, call.function.arguments)
        for call in choice.message.tool_calls or ()
    ]
    return Answer(
        text=choice.message.content or "",
        tool_calls=tuple(calls),
        finish_reason=choice.finish_reason or "",
        prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
        completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
        reasoning=getattr(choice.message, "reasoning_content", None) or "",
    )


def _assembled(stream: Any, on_delta: Callable[[str], None]) -> Answer:
    """An answer from its pieces; those of a tool call belong together by their index."""
    text: list[str] = []
    reasoning: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    finish_reason, usage = "", None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices or ():
            finish_reason = choice.finish_reason or finish_reason
            delta = choice.delta
            if delta.content:
                text.append(delta.content)
                on_delta(delta.content)
            reasoning.append(getattr(delta, "reasoning_content", None) or "")
            for piece in delta.tool_calls or ():
                call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = piece.id or call["id"]
                if piece.function:
                    call["name"] += piece.function.name or ""
                    call["arguments"] += piece.function.arguments or ""
    return Answer(
        text="".join(text),
        tool_calls=tuple(
            _tool_call(call["id"], call["name"], call["arguments"])
            for _, call in sorted(calls.items())
        ),
        finish_reason=finish_reason,
        prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
        completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
        reasoning="".join(reasoning),
    )


def _tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
