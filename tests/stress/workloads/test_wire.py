"""What clients do that no SDK does, by raw sockets, and what is left of it in the server."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from stress.workloads.endpoint import Endpoint, check_endpoint, serve_endpoint
from stress.workloads.script import Fault, Reply, Script
from stress.workloads.wire import BODY_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX

DEADLINE_S = 30.0
LONG_S = 600.0


@dataclass(frozen=True)
class Lonely:
    """A server that this file's tests have to themselves, so that its files can be counted."""

    endpoint: Endpoint
    stderr: Path

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.endpoint.base_url.split(":")[2].split("/")[0])

    def plain(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE_S)

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.endpoint.ca_file)
        return context.wrap_socket(self.plain(), server_hostname="127.0.0.1")

    def holds(self) -> tuple[int, int]:
        """Threads and open files of the server."""
        process = Path("/proc") / str(self.endpoint.pid)
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lonely]:
    directory = tmp_path_factory.mktemp("lonely")
    with serve_endpoint(directory) as endpoint:
        check_endpoint(endpoint)
        yield Lonely(endpoint, directory / "model_server_stderr.txt")


@pytest.fixture
def nothing_stays(server: Lonely) -> Iterator[None]:
    """The test leaves no thread, no file and no complaint behind in the server."""
    before = settled(server)
    yield
    deadline = time.monotonic() + DEADLINE_S
    while any(now > then for now, then in zip(server.holds(), before, strict=True)):
        assert time.monotonic() < deadline, f"threads, files: {before}, now {server.holds()}"
        time.sleep(0.02)
    assert server.stderr.read_text() == ""


def settled(server: Lonely) -> tuple[int, int]:
    """What an idle server holds: the main thread and the one that takes connections. The file of a
    connection may be closed a moment after its thread has ended."""
    deadline = time.monotonic() + DEADLINE_S
    least, calm = server.holds(), 0
    while calm < 5 or least[0] != 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        now = server.holds()
        least, calm = now, calm + 1 if now == least else 0
    return least


def post(body: bytes, headers: str = "") -> bytes:
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def question(*faults: Fault, text: str = "hi", stream: bool = False) -> bytes:
    content = Script((Reply(text, faults=faults),)).embed("go")
    value = {"messages": [{"role": "user", "content": content}], "stream": stream}
    return json.dumps(value).encode()


def read_answer(reader: BinaryIO) -> tuple[int, dict[str, str], bytes]:
    status = int(reader.readline().split()[1])
    headers = {}
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, reader.read(int(headers["content-length"]))


def exchange(server: Lonely, data: bytes) -> tuple[int, bytes, bytes]:
    """Status and body of the answer, and whatever comes after it until the server closes."""
    with server.connect() as client, client.makefile("rb") as reader:
        client.sendall(data)
        status, _, body = read_answer(reader)
        return status, body, reader.read()


# One connection, many requests


@pytest.mark.usefixtures("nothing_stays")
def test_a_connection_is_used_again(server: Lonely) -> None:
    with server.connect() as client, client.makefile("rb") as reader:
        for number in range(20):
            client.sendall(post(question(text=f"answer {number}")))
            status, _, body = read_answer(reader)
            assert status == 200
            assert json.loads(body)["choices"][0]["message"]["content"] == f"answer {number}"
            client.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert read_answer(reader)[2] == b'{"status": "ok"}'


@pytest.mark.parametrize(
    "refused", [Fault("rate_limit"), Fault("server_error"), Fault("malformed")]
)
def test_a_refusal_leaves_the_connection_open(server: Lonely, refused: Fault) -> None:
    with server.connect() as client, client.makefile("rb") as reader:
        client.sendall(post(question(refused)))
        read_answer(reader)
        client.sendall(post(question()))
        assert read_answer(reader)[0] == 200


@pytest.mark.parametrize(
    "last", [b"GET /health HTTP/1.0\r\n\r\n", b"GET /health HTTP/1.1\r\nConnection: Close\r\n\r\n"]
)
@pytest.mark.usefixtures("nothing_stays")
def test_a_client_may_say_that_it_is_done(server: Lonely, last: bytes) -> None:
    assert exchange(server, last) == (200, b'{"status": "ok"}', b"")


def test_a_client_may_ask_before_it_sends(server: Lonely) -> None:
    whole = post(question(), "Expect: 100-continue\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    with server.connect() as client, client.makefile("rb") as reader:
        client.sendall(head + b"\r\n\r\n")
        assert reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert reader.readline() == b"\r\n"
        client.sendall(body)
        assert read_answer(reader)[0] == 200


# Requests that are refused

POST = "POST /v1/chat/completions HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("hello\r\n\r\n", "the request line 'hello' is no HTTP/1.1"),
        ("GET /health SPDY/3\r\n\r\n", "is no HTTP/1.1"),
        (f"GET /{'x' * LINE_BYTES_MAX} HTTP/1.1\r\n\r\n", f"a line has {LINE_BYTES_MAX} bytes"),
        (
            POST + "".join(f"h{n}: v\r\n" for n in range(HEADERS_MAX + 1)) + "\r\n",
            f"more than {HEADERS_MAX} headers",
        ),
        (POST + "Content-Length: -1\r\n\r\n", "the Content-Length '-1' is no number"),
        (POST + "Content-Length: 1_0\r\n\r\n", "is no number"),
        (POST + f"Content-Length: {'9' * 5000}\r\n\r\n", "is no number"),
        (POST + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "the body has no Content-Length"),
    ],
)
@pytest.mark.usefixtures("nothing_stays")
def test_what_cannot_be_read_is_refused_and_ends(server: Lonely, data: str, complaint: str) -> None:
    status, body, rest = exchange(server, data.encode())
    assert (status, rest) == (400, b"")
    assert complaint in json.loads(body)["error"]["message"]


@pytest.mark.usefixtures("nothing_stays")
def test_a_body_that_is_too_large_is_refused(server: Lonely) -> None:
    status, body, rest = exchange(server, post(b"x" * (BODY_BYTES_MAX + 1)))
    assert (status, rest) == (400, b"")
    assert f"at most {BODY_BYTES_MAX} are read" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("method_and_path", ["POST /v1/chat/completions", "GET /v1/models"])
def test_who_does_not_say_who_they_are_is_refused(server: Lonely, method_and_path: str) -> None:
    data = f"{method_and_path} HTTP/1.1\r\nConnection: close\r\n\r\n"
    status, body, _ = exchange(server, data.encode())
    assert status == 401
    assert json.loads(body)["error"] == {
        "message": "the Authorization header is missing",
        "type": "scripted",
        "param": None,
        "code": "401",
    }


@pytest.mark.parametrize("target", ["GET /", "PUT /health", "GET /v2/models", "POST /v1/models"])
def test_what_is_not_there_is_not_found(server: Lonely, target: str) -> None:
    data = f"{target}?query HTTP/1.1\r\nConnection: close\r\n\r\n"
    status, body, _ = exchange(server, data.encode())
    assert status == 404
    assert f"there is nothing at {target}" in json.loads(body)["error"]["message"]


# How an answer breaks


def drain(client: ssl.SSLSocket) -> tuple[bytes, type[OSError] | None]:
    """All that comes, and the error that ends it."""
    data = b""
    try:
        while piece := client.recv(2**16):
            data += piece
    except OSError as error:
        return data, type(error)
    return data, None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Fault("reset"), ConnectionResetError),
        (Fault("late_cut"), None),
        (Fault("stall", 0.01), None),
    ],
)
@pytest.mark.usefixtures("nothing_stays")
def test_an_answer_breaks_in_the_middle_of_its_body(
    server: Lonely, fault: Fault, ending: type[OSError] | None, stream: bool
) -> None:
    with closing(server.connect()) as client:
        client.sendall(post(question(text="a word or two", stream=stream)))
        with client.makefile("rb") as reader:
            whole = reader.readline()
            while not whole.endswith(b"0\r\n\r\n" if stream else b"}}"):
                whole += reader.read(1)
    with closing(server.connect()) as client:
        client.sendall(post(question(fault, text="a word or two", stream=stream)))
        got, error = drain(client)
    # Where a kernel hands over what came before the reset, the reset itself may look like an end.
    assert error in (ending, None)
    # The question differs, so the names do: only the lengths can be told.
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.index(b"\r\n\r\n") + 20 < len(got) < len(whole)


# Clients that vanish


def vanish(client: socket.socket, how: str) -> None:
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    elif how == "goodbye" and isinstance(client, ssl.SSLSocket):
        client.settimeout(0)
        # Whether the server's own goodbye, or data, is there already is a matter of time.
        with suppress(ssl.SSLError, OSError):
            client.unwrap()
    client.close()


SENT = {
    "nothing": b"",
    "half a line": b"POST /v1/cha",
    "half the headers": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n",
    "half a body": post(question())[:-5],
    "a question to be delayed": post(question(Fault("delay", LONG_S))),
    "a question to be stalled": post(question(Fault("stall", LONG_S))),
    "a stream to be stalled": post(question(Fault("stall", LONG_S), stream=True)),
    "a long answer": post(question(text="word " * 1_000_000)),
}


@pytest.mark.parametrize("how", ["close", "reset", "goodbye"])
@pytest.mark.parametrize("sent", SENT)
@pytest.mark.usefixtures("nothing_stays")
def test_a_client_vanishes(server: Lonely, sent: str, how: str) -> None:
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        client.sendall(SENT[sent])
    for client in clients:
        vanish(client, how)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\0" * 99]
)
@pytest.mark.usefixtures("nothing_stays")
def test_a_client_vanishes_in_the_handshake(server: Lonely, sent: bytes, how: str) -> None:
    client = server.plain()
    client.sendall(sent)
    vanish(client, how)


@pytest.mark.usefixtures("nothing_stays")
def test_a_client_that_does_not_trust_leaves(server: Lonely) -> None:
    context = ssl.create_default_context()
    with server.plain() as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_slow_handshake_holds_up_nobody(server: Lonely) -> None:
    with server.plain():
        assert exchange(server, b"GET /health HTTP/1.0\r\n\r\n")[0] == 200


def test_what_a_server_holds_is_seen(server: Lonely) -> None:
    """The check of these tests can fail: an open connection is a thread and a file more."""
    threads, files = settled(server)
    with server.connect() as client, client.makefile("rb") as reader:
        client.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        read_answer(reader)
        assert server.holds() == (threads + 1, files + 1)
    assert os.getpid() != server.endpoint.pid
