"""Programs that do what the engine does not control."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading

from tests.stress.engine.programs import together


def sockets() -> None:
    """A server and its client, on loopback."""
    got: list[bytes] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                got.append(connection.recv(10))
                connection.sendall(b"pong")

        def ask() -> None:
            with socket.create_connection(server.getsockname()) as connection:
                connection.sendall(b"ping")
                got.append(connection.recv(10))

        together(serve, ask)
    assert sorted(got) == [b"ping", b"pong"]


def child_process() -> None:
    together(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), int)


def signal_handler() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.signal(signal.SIGUSR1, before)
    together(int, int)


def event_loops() -> None:
    """Two threads, each with a loop of its own: on greenlets they would be in one."""
    got: list[int] = []

    async def one() -> int:
        await asyncio.sleep(0.01)
        return 1

    together(*[lambda: got.append(asyncio.run(one()))] * 2)
    assert got == [1, 1]


pipes: list[tuple[int, int]] = []


def pipe() -> tuple[int, int]:
    """A pipe that nobody writes to. The test closes it."""
    pipes.append(os.pipe())
    return pipes[-1]


def read_in_a_thread() -> None:
    reader, _ = pipe()
    together(lambda: os.read(reader, 1))


def read_in_the_first_task() -> None:
    reader, _ = pipe()
    together(int, int)
    os.read(reader, 1)


def wait_in_c() -> None:
    """A file object reads the pipe in C, where no wrapper stands."""
    reader, _ = pipe()
    with os.fdopen(os.dup(reader), "rb", buffering=0) as file:
        together(int, int)
        file.read(1)


def sleep_in_c() -> None:
    """For longer than anybody waits, and then it comes back."""
    ctypes.CDLL(None).usleep(2_500_000)


def sleep_in_c_twice() -> None:
    together(sleep_in_c, sleep_in_c)


begun, ended = threading.Event(), threading.Event()


def waits_for_an_outsider() -> None:
    """Another thread, that was there before, is to set this."""
    together(int, int)
    ended.wait()
