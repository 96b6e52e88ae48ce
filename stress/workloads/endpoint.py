"""Start, check and end the model server's process."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import selectors
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import stress
from stress.errors import HarnessFault, InvalidArgument

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 5.0
#: A process that refuses connections because it ends is over after so long.
DYING_S = 1.0
API_KEY = "scripted-key"
_TAIL_CHARACTERS = 500
_DIED = "the model server died during the run"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model server listens, the certificate to trust, and its process.

    Without `ca_file` the system's certificates are trusted; without `pid` it is not our child.
    """

    base_url: str
    ca_file: str = ""
    pid: int | None = None

    def environment(self) -> dict[str, str]:
        """What a process needs for the SDK's own defaults to reach this endpoint."""
        trusted = {"SSL_CERT_FILE": self.ca_file} if self.ca_file else {}
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": API_KEY,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **trusted,
        }

    def check_running(self) -> None:
        """Raise HarnessFault where our model server has died: what failed since is its fault."""
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self.pid is not None and os.waitid(os.P_PID, self.pid, look) is not None:
            raise HarnessFault(_DIED)


@contextmanager
def serve_endpoint(directory: Path, *, timeout_s: float = START_TIMEOUT_S) -> Iterator[Endpoint]:
    """Run the model server, which keeps its files in `directory`, for the length of the block.

    It runs on `STRESS_SERVER_PYTHON`, by default on this Python; InvalidArgument is raised where
    that lacks what makes certificates. Raises HarnessFault when the server does not listen within
    `timeout_s`, and at the end of the block when it died meanwhile.
    """
    python = os.environ.get("STRESS_SERVER_PYTHON") or sys.executable
    if python == sys.executable and importlib.util.find_spec("trustme") is None:
        raise InvalidArgument(
            "the scripted model server needs trustme, which this Python lacks: install "
            "hermes-stress[endpoint], set STRESS_SERVER_PYTHON to a Python that has it, or name a "
            "server that runs already with --endpoint"
        )
    directory.mkdir(parents=True, exist_ok=True)
    complaints = directory / "model_server_stderr.txt"
    with complaints.open("wb") as stderr:
        process = subprocess.Popen(
            [python, "-m", "stress.workloads.model_server", "--directory", str(directory)],
            env={**os.environ, "PYTHONPATH": str(Path(stress.__file__).parent.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            # A terminal's Ctrl-C is for the harness: the server ends when its input closes.
            start_new_session=True,
        )
    try:
        endpoint = _await_ready(process, complaints, timeout_s)
        try:
            yield endpoint
        except InvalidArgument as error:
            # A sandbox that was begun meanwhile complains of what it could not reach.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(DYING_S)
                raise HarnessFault(_death(_DIED, process, complaints)) from error
            raise
        if process.poll() is not None:
            raise HarnessFault(_death(_DIED, process, complaints))
    finally:
        _end(process)


def _await_ready(process: subprocess.Popen[bytes], complaints: Path, timeout_s: float) -> Endpoint:
    deadline = time.monotonic() + timeout_s
    assert process.stdout is not None
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(0.0, deadline - time.monotonic())):
            piece = process.stdout.read1()  # type: ignore[attr-defined]
            if not piece:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_TIMEOUT_S)
                raise HarnessFault(_death("the model server did not start", process, complaints))
            line += piece
    if not line.endswith(b"\n"):
        raise HarnessFault(
            _death(f"the model server did not listen within {timeout_s:g} s", process, complaints)
        )
    ready = json.loads(line)
    return Endpoint(str(ready["base_url"]), str(ready["ca_file"]), int(ready["pid"]))


def _death(what: str, process: subprocess.Popen[bytes], complaints: Path) -> str:
    status = process.poll()
    state = "still running" if status is None else f"exit code {status}"
    tail = complaints.read_text(encoding="utf-8", errors="replace").strip()[-_TAIL_CHARACTERS:]
    return f"{what} ({state}): {tail or 'it said nothing'}"


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def check_endpoint(endpoint: Endpoint, *, timeout_s: float = CHECK_TIMEOUT_S) -> None:
    """Raise InvalidArgument unless a model server answers at `endpoint` within `timeout_s`."""
    try:
        url = urlsplit(endpoint.base_url)
        if url.scheme != "https" or not url.netloc:
            raise ValueError("it is no https URL")
        context = ssl.create_default_context(cafile=endpoint.ca_file or None)
        with contextlib.closing(
            http.client.HTTPSConnection(url.netloc, timeout=timeout_s, context=context)
        ) as connection:
            connection.request("GET", "/health")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InvalidArgument(
            f"no model server answers at {endpoint.base_url!r} ({error}); start one with "
            "`python -m stress.workloads.model_server --directory DIR`"
        ) from error
    if status != 200:
        raise InvalidArgument(
            f"what answers at {endpoint.base_url!r} is no model server: status {status} for /health"
        )
