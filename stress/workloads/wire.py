"""HTTP/1.1 over TLS on the server's side: one thread per connection, as little parsing as needed.

The standard library's request handler spends most of its time on headers that nobody reads; what
is here costs a third of it, and lets a script break an answer wherever it wants to.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import socketserver
import ssl
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

BODY_BYTES_MAX = 8 * 2**20
LINE_BYTES_MAX = 2**16
HEADERS_MAX = 100
LENGTH_DIGITS_MAX = 18
HANDSHAKE_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 60.0
_DRAIN_BYTES_MAX = 8 * BODY_BYTES_MAX


class Refused(Exception):
    """A request that cannot be read. The text says why; the connection ends after the answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Connection:
    """A client's connection; `open` is False when no further request is to be read from it."""

    socket: ssl.SSLSocket
    reader: io.BufferedReader
    open: bool = True
    was_reset: bool = False

    def read(self) -> Request | None:
        """The next request, None when the client is done. Raises Refused, OSError."""
        first = self._line()
        if not first:
            return None
        words = first.split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Refused(f"the request line {first[:80]!r} is no HTTP/1.1")
        headers = self._headers()
        if words[2] == "HTTP/1.0" or headers.get("connection", "").lower() == "close":
            self.open = False
        return Request(words[0], words[1], headers, self._body(headers))

    def _line(self) -> str:
        line = self.reader.readline(LINE_BYTES_MAX)
        if len(line) == LINE_BYTES_MAX:
            raise Refused(f"a line has {LINE_BYTES_MAX} bytes or more")
        return line.decode("latin-1").rstrip("\r\n")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
            if len(headers) > HEADERS_MAX:
                raise Refused(f"more than {HEADERS_MAX} headers")
        return headers

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise Refused("the body has no Content-Length")
        said = headers.get("content-length", "0")
        # Python refuses to convert thousands of digits; no body needs more than these.
        if not (said.isascii() and said.isdigit() and len(said) <= LENGTH_DIGITS_MAX):
            raise Refused(f"the Content-Length {said[:80]!r} is no number")
        length = int(said)
        if length > BODY_BYTES_MAX:
            self._drain(length)
            raise Refused(f"the body has {length} bytes; at most {BODY_BYTES_MAX} are read")
        if headers.get("expect", "").lower() == "100-continue":
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.reader.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client left in the middle of a request")
        return body

    def _drain(self, length: int) -> None:
        # A close with unread bytes resets the connection and takes the refusal with it.
        left = min(length, _DRAIN_BYTES_MAX)
        while left and (piece := self.reader.read(min(left, 2**16))):
            left -= len(piece)

    def send(self, data: bytes) -> None:
        """Send it all. Raises OSError when the client is gone."""
        self.socket.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Sleep while the client is there; False, at once, when it leaves (or will not wait)."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLRDHUP)
        if poll.poll(seconds * 1000):
            self.open = False
        return self.open

    def reset(self) -> None:
        """End the connection with a reset instead of a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.open, self.was_reset = False, True

    def goodbye(self) -> None:
        """Say that this is the end, without waiting for the client to say so too."""
        if self.was_reset:
            return
        with contextlib.suppress(OSError, ValueError):
            self.socket.settimeout(0)
            self.socket.unwrap()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


Respond = Callable[[Connection, Request], None]
Refuse = Callable[[Connection, str], None]


class Server(socketserver.ThreadingTCPServer):
    """Listens, and serves each connection in a thread of its own, the handshake included."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext, respond: Respond, refuse: Refuse
    ) -> None:
        self.context = context
        self.respond = respond
        self.refuse = refuse
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        request.settimeout(HANDSHAKE_TIMEOUT_S)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        with (
            self.context.wrap_socket(request, server_side=True) as secured,
            secured.makefile("rb") as reader,
        ):
            secured.settimeout(IDLE_TIMEOUT_S)
            connection = Connection(secured, reader)
            self._converse(connection)
            connection.goodbye()

    def _converse(self, connection: Connection) -> None:
        while connection.open:
            try:
                request = connection.read()
            except Refused as refused:
                connection.open = False
                self.refuse(connection, str(refused))
                return
            if request is None:
                return
            self.respond(connection, request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish are part of the work; anything else is told on standard error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
