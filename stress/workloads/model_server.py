"""A scripted model endpoint: OpenAI-compatible chat completions over TLS on loopback.

`python -m stress.workloads.model_server --directory DIR` makes a certificate authority, writes its
certificate to DIR, prints one JSON line `{"base_url", "ca_file", "pid"}` when it listens and serves
until its standard input closes. What it answers is in the conversation: see `script`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from stress.workloads.script import Fault, Reply, Script

MODEL = "scripted"
BODY_BYTES_MAX = 8 * 2**20
HANDSHAKE_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 60.0
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class Server(ThreadingHTTPServer):
    """One thread per connection; the handshake is made there, not where connections are taken."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish are part of the work."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection, request by request."""

    protocol_version = "HTTP/1.1"
    server: Server
    wbufsize = -1
    timeout = IDLE_TIMEOUT_S

    def setup(self) -> None:
        """Make the handshake in this connection's own thread."""
        self.request.settimeout(HANDSHAKE_TIMEOUT_S)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.plain = self.request
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        """Close the encrypted socket too: the server only knows the plain one."""
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        """Health, and the list of models."""
        if self.path.endswith("/models"):
            models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "stress"}]
            self.answer(200, {"object": "list", "data": models})
        elif self.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.refuse(404, f"there is nothing at {self.path}")

    def do_POST(self) -> None:
        """Chat completions."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            self.refuse(400, f"the body has {length} bytes; at most {BODY_BYTES_MAX} are read")
            return
        body = self.rfile.read(length)
        if not self.path.endswith("/chat/completions"):
            self.refuse(404, f"there is nothing at {self.path}")
        elif not self.headers.get("Authorization"):
            self.refuse(401, "the Authorization header is missing")
        else:
            try:
                request = json.loads(body)
                reply, attempt = self.reply_to(request["messages"]), self.attempt()
            except (ValueError, KeyError, TypeError) as error:
                self.refuse(400, f"the request is no chat completion: {error!r}")
                return
            self.perform(request, reply, attempt)

    def attempt(self) -> int:
        """How often this turn was tried before."""
        headers = ("x-stainless-retry-count", "x-hermes-attempt")
        return sum(int(self.headers.get(name) or 0) for name in headers)

    def reply_to(self, messages: list[Mapping[str, Any]]) -> Reply:
        """The reply of the script in the latest user message that has one, for this turn."""
        turn = 0
        for message in reversed(messages):
            if message["role"] == "assistant":
                turn += 1
            elif message["role"] == "user":
                script = Script.find(text_of(message))
                if script is not None:
                    return script.replies[turn] if turn < len(script.replies) else Reply("done")
        said = text_of(messages[-1]) if messages else ""
        return Reply(f"You said: {said}")

    def perform(self, request: Mapping[str, Any], reply: Reply, attempt: int) -> None:
        """Answer, or fail the way the script says."""
        fault = reply.faults[attempt] if attempt < len(reply.faults) else None
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
            fault = None
        if fault is not None and fault.kind in ("rate_limit", "server_error"):
            self.fail(fault)
        elif request.get("stream"):
            self.stream(request, reply, fault)
        elif fault is not None and fault.kind in ("malformed", "garbage_frame"):
            self.send(200, b'{"id": "chatcmpl-0", "choices": [{"mess', "application/json")
        else:
            self.broken_or_whole(json.dumps(completion(request, reply)).encode(), fault)

    def fail(self, fault: Fault) -> None:
        """An error status that asks to be tried again after `seconds`."""
        status = 429 if fault.kind == "rate_limit" else 500
        wait = {
            "Retry-After": f"{fault.seconds:g}",
            "retry-after-ms": f"{max(1.0, fault.seconds * 1000):g}",
        }
        self.refuse(status, f"scripted {fault.kind}", wait)

    def broken_or_whole(self, body: bytes, fault: Fault | None) -> None:
        """A body whose second half may never come."""
        if fault is None:
            self.send(200, body, "application/json")
            return
        self.head(200, "application/json", {"Content-Length": str(len(body))})
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.cut(fault)

    def stream(self, request: Mapping[str, Any], reply: Reply, fault: Fault | None) -> None:
        """Server-sent events; the first half arrives before a fault strikes."""
        frames = [b"data: " + json.dumps(f).encode() + b"\n\n" for f in chunks(request, reply)]
        self.head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for number, frame in enumerate(frames):
            if fault is not None and number == len(frames) // 2:
                self.wfile.flush()
                if fault.kind in ("garbage_frame", "malformed"):
                    self.chunk(b"data: {no json\n\n")
                    break
                self.cut(fault)
                return
            self.chunk(frame)
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def cut(self, fault: Fault) -> None:
        """End the connection in the middle: silently after a stall, or with a reset."""
        self.close_connection = True
        if fault.kind == "stall":
            time.sleep(fault.seconds)
        elif fault.kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.request.close()

    def refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """An error in the form that the SDK understands."""
        error = {"message": message, "type": "scripted", "param": None, "code": str(status)}
        self.answer(status, {"error": error}, headers)

    def answer(
        self, status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole JSON answer."""
        self.send(status, json.dumps(value).encode(), "application/json", headers)

    def send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole answer with its length."""
        self.head(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)
        self.wfile.flush()

    def head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        """Status line and headers; written by hand, since this is the hot path."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", f"Content-Type: {kind}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content)


def tool_calls(reply: Reply) -> Iterator[dict[str, Any]]:
    """The tool calls of a reply, each with an id of its own."""
    for call in reply.tool_calls:
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        yield {
            "id": f"call_{os.urandom(6).hex()}",
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }


def usage(request: Mapping[str, Any], reply: Reply) -> dict[str, int]:
    """Word counts stand for tokens."""
    asked = sum(len(text_of(message).split()) for message in request["messages"])
    said = len(reply.text.split()) + len(reply.tool_calls)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def completion(request: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """A plain answer."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = list(tool_calls(reply))
    reason = "tool_calls" if reply.tool_calls else "stop"
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": str(request.get("model") or MODEL),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage(request, reply),
    }


def chunks(request: Mapping[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    """The same answer in pieces."""
    base = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": str(request.get("model") or MODEL),
    }

    def piece(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield piece({"role": "assistant", "content": ""})
    half = len(reply.text) // 2
    for text in (reply.text[:half], reply.text[half:]):
        if text:
            yield piece({"content": text})
    for index, call in enumerate(tool_calls(reply)):
        arguments = call["function"]["arguments"]
        middle = len(arguments) // 2
        head = {**call["function"], "arguments": arguments[:middle]}
        yield piece({"tool_calls": [{**call, "index": index, "function": head}]})
        tail = {"index": index, "function": {"arguments": arguments[middle:]}}
        yield piece({"tool_calls": [tail]})
    yield piece({}, "tool_calls" if reply.tool_calls else "stop")
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**base, "choices": [], "usage": usage(request, reply)}


def main() -> int:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description="A scripted model endpoint on loopback.")
    parser.add_argument("--directory", type=Path, required=True, help="where ca.pem is written")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    ca_file = options.directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    server = Server(("127.0.0.1", options.port), context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base_url = f"https://127.0.0.1:{server.server_address[1]}/v1"
    print(json.dumps({"base_url": base_url, "ca_file": str(ca_file), "pid": os.getpid()}))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
