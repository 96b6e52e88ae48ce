"""Start and end the model server's process."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stress.errors import HarnessFault

START_TIMEOUT_S = 30.0
API_KEY = "scripted-key"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model server listens, and the certificate to trust."""

    base_url: str
    ca_file: str
    pid: int

    def environment(self) -> Mapping[str, str]:
        """What a process needs for the SDK's own defaults to reach this endpoint."""
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": API_KEY,
            "SSL_CERT_FILE": self.ca_file,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


@contextmanager
def serve_endpoint(directory: Path) -> Iterator[Endpoint]:
    """Run the model server for the length of the block. Raises HarnessFault if it cannot start."""
    directory.mkdir(parents=True, exist_ok=True)
    complaints = directory / "server.txt"
    with complaints.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "stress.workloads.model_server", "--directory", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            # A terminal's Ctrl-C is for the harness: the server ends when its input closes.
            start_new_session=True,
        )
    try:
        yield Endpoint(**_ready(process, complaints))
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], complaints: Path) -> dict[str, object]:
    deadline = time.monotonic() + START_TIMEOUT_S
    line = b""
    if process.stdout is not None:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if selector.select(deadline - time.monotonic()):
                line = process.stdout.readline()
    if not line:
        said = complaints.read_text(errors="replace").strip()[-500:]
        raise HarnessFault(f"the model server did not start: {said or 'it said nothing'}")
    found: dict[str, object] = json.loads(line)
    return found
