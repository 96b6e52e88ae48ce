"""A scripted model endpoint: OpenAI-compatible chat completions over TLS on loopback.

`python -m stress.workloads.model_server --directory DIR` makes a certificate authority, writes its
certificate to DIR, prints one JSON line `{"base_url", "ca_file", "pid"}` when it listens and serves
until its standard input closes. What it answers is in the conversation: see `script`. A
conversation without a script is answered by what was said last.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import ssl
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.workloads.script import Fault, Reply, Script
from stress.workloads.wire import Connection, Request, Server, head

MODEL = "scripted"
#: How many attempts at this turn went before: counted by the SDK, and by a caller that retries too.
ATTEMPT_HEADERS = ("x-stainless-retry-count", "x-hermes-attempt")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A request for a completion, and the reply that its script has for this turn and attempt.

    `name` is the same for the same question, so that what is answered is the same too.
    """

    reply: Reply
    fault: Fault | None
    name: str
    model: str
    words: int
    stream: bool
    usage: bool


def read_question(request: Request) -> Question:
    """The question in a request. Raises ValueError, with a sentence, when there is none."""
    attempt = sum(_count(request.headers.get(name, "0")) for name in ATTEMPT_HEADERS)
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError("the request has no messages")
    said = [(_role(message), text_of(message)) for message in messages]
    script, turn, carrier = find_turn(said)
    options = body.get("stream_options")
    if script is None:
        reply = Reply(f"You said: {said[-1][1]}")
    else:
        reply = script.replies[turn] if turn < len(script.replies) else Reply("done")
    return Question(
        reply=reply,
        fault=reply.faults[attempt] if attempt < len(reply.faults) else None,
        name=f"{zlib.crc32(carrier.encode(errors='replace')):08x}-{turn}",
        model=str(body.get("model") or MODEL),
        words=sum(len(text.split()) for _, text in said),
        stream=body.get("stream") is True,
        usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def find_turn(said: Sequence[tuple[str, str]]) -> tuple[Script | None, int, str]:
    """The script of the latest user message that carries one, the assistant's turns since, and the
    text that carries it. Raises ValueError when the script is damaged."""
    turn = 0
    for role, text in reversed(said):
        if role == "assistant":
            turn += 1
        elif role == "user" and (script := Script.find(text)) is not None:
            return script, turn, text
    return None, turn, said[-1][1]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"the attempt {text[:80]!r} is no count")
    return int(text)


def _role(message: object) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str):
        raise ValueError("a message has no role")
    return role


def text_of(message: Json) -> str:
    """The text of a message whose content is a string, a list of parts or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def respond(connection: Connection, request: Request) -> None:
    """Answer one request. Raises OSError when the client is gone."""
    path = request.path.partition("?")[0]
    post = request.method == "POST"
    get = request.method == "GET"
    if get and path == "/health":
        answer(connection, 200, {"status": "ok"})
    elif (
        not (post or get)
        or not path.startswith("/v1/")
        or not path.endswith("/chat/completions" if post else "/models")
    ):
        refuse(connection, f"there is nothing at {request.method} {path}", 404)
    elif not request.headers.get("authorization"):
        refuse(connection, "the Authorization header is missing", 401)
    elif post:
        try:
            question = read_question(request)
        except ValueError as error:
            refuse(connection, str(error))
            return
        perform(connection, question)
    else:
        models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "stress"}]
        answer(connection, 200, {"object": "list", "data": models})


def perform(connection: Connection, question: Question) -> None:
    """Answer, or fail the way the script says."""
    fault = question.fault
    if fault is not None and fault.kind == "delay":
        if not connection.wait(fault.seconds):
            return
        fault = None
    if fault is not None and fault.kind in ("rate_limit", "server_error"):
        status = 429 if fault.kind == "rate_limit" else 500
        refuse(connection, f"scripted {fault.kind}", status, retry_headers(fault))
        return
    garbage = fault is not None and fault.kind in ("malformed", "garbage_frame")
    if question.stream:
        start, pieces = _streamed(question, garbage)
    else:
        start, pieces = _whole(question, garbage)
    if fault is None or garbage:
        connection.send(start + b"".join(pieces))
    else:
        connection.send(start + b"".join(pieces[: len(pieces) // 2]))
        cut(connection, fault)


def cut(connection: Connection, fault: Fault) -> None:
    """End the connection in the middle of a body."""
    if fault.kind == "reset":
        connection.reset()
    elif fault.kind == "stall":
        connection.wait(fault.seconds)
    connection.open = False


def retry_headers(fault: Fault) -> dict[str, str]:
    """When to try again. The SDK takes a wait of nothing for no answer and draws half a second or
    more instead, hence the millisecond."""
    milliseconds = max(1.0, fault.seconds * 1000)
    return {"Retry-After": f"{fault.seconds:g}", "Retry-After-Ms": f"{milliseconds:g}"}


def _whole(question: Question, garbage: bool) -> tuple[bytes, list[bytes]]:
    body = json.dumps(completion(question)).encode()
    middle = len(body) // 2
    pieces = [body[:middle]] if garbage else [body[:middle], body[middle:]]
    return _json_head(200, sum(map(len, pieces))), pieces


def _streamed(question: Question, garbage: bool) -> tuple[bytes, list[bytes]]:
    frames = [json.dumps(chunk).encode() for chunk in chunks(question)]
    if garbage:
        frames[len(frames) // 2 :] = [b"{no json"]
    frames.append(b"[DONE]")
    pieces = [b"%x\r\ndata: %s\n\n\r\n" % (len(frame) + 8, frame) for frame in frames]
    pieces[-1] += b"0\r\n\r\n"
    headers = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
    return head(200, headers), pieces


def _json_head(status: int, length: int, headers: Mapping[str, str] | None = None) -> bytes:
    own = {"Content-Type": "application/json", "Content-Length": str(length)}
    return head(status, {**own, **(headers or {})})


def answer(
    connection: Connection, status: int, value: Json, headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole JSON answer."""
    body = json.dumps(value).encode()
    connection.send(_json_head(status, len(body), headers) + body)


def refuse(
    connection: Connection,
    message: str,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send an error in the form that the SDK understands."""
    error = {"message": message, "type": "scripted", "param": None, "code": str(status)}
    answer(connection, status, {"error": error}, headers)


def tool_calls(question: Question) -> list[dict[str, Any]]:
    """The tool calls of the reply, each with an id of its own."""
    return [
        {
            "id": f"call_{question.name}-{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(question.reply.tool_calls)
    ]


def usage(question: Question) -> dict[str, int]:
    """Word counts stand for tokens; a tool call is one."""
    said = len(question.reply.text.split()) + len(question.reply.tool_calls)
    return {
        "prompt_tokens": question.words,
        "completion_tokens": said,
        "total_tokens": question.words + said,
    }


def _envelope(question: Question, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{question.name}"
    return {"id": name, "object": kind, "created": 0, "model": question.model}


def _finish_reason(question: Question) -> str:
    return "tool_calls" if question.reply.tool_calls else "stop"


def completion(question: Question) -> dict[str, Any]:
    """A plain answer."""
    message: dict[str, Any] = {"role": "assistant", "content": question.reply.text or None}
    if question.reply.tool_calls:
        message["tool_calls"] = tool_calls(question)
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(question)}
    envelope = _envelope(question, "chat.completion")
    return {**envelope, "choices": [choice], "usage": usage(question)}


def chunks(question: Question) -> Iterator[dict[str, Any]]:
    """The same answer in pieces: texts and arguments come in two halves."""
    envelope = _envelope(question, "chat.completion.chunk")

    def piece(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield piece({"role": "assistant", "content": ""})
    for text in _halves(question.reply.text):
        yield piece({"content": text})
    for index, call in enumerate(tool_calls(question)):
        first, second = call["function"], {}
        first["arguments"], second["arguments"] = _halves(first["arguments"])
        yield piece({"tool_calls": [{**call, "index": index}]})
        yield piece({"tool_calls": [{"index": index, "function": second}]})
    yield piece({}, _finish_reason(question))
    if question.usage:
        yield {**envelope, "choices": [], "usage": usage(question)}


def _halves(text: str) -> tuple[str, ...]:
    middle = len(text) // 2
    return (text[:middle], text[middle:]) if middle else (text,) if text else ()


def listen(directory: Path, port: int) -> tuple[Server, Path]:
    """A server bound to `port`, 0 for any, and the file of the authority that signed for it.

    Raises OSError when the directory cannot be written or the port cannot be had.
    """
    # Here, so that what a request is answered can be asked on a Python that lacks it.
    import trustme

    authority = trustme.CA()
    directory.mkdir(parents=True, exist_ok=True)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return Server(("127.0.0.1", port), context, respond, refuse), ca_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(
        prog="python -m stress.workloads.model_server",
        description="A scripted, OpenAI-compatible model endpoint over TLS on loopback. "
        "It serves until its standard input closes.",
    )
    parser.add_argument("--directory", type=Path, required=True, help="where ca.pem is written")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 2**16:
        parser.error(f"there is no port {options.port}; choose 0 to {2**16 - 1}")
    try:
        server, ca_file = listen(options.directory, options.port)
    except OSError as error:
        parser.error(f"cannot serve from {options.directory} on port {options.port}: {error}")
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    base_url = f"https://127.0.0.1:{server.server_address[1]}/v1"
    ready = {"base_url": base_url, "ca_file": str(ca_file.resolve()), "pid": os.getpid()}
    print(json.dumps(ready), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
