"""The endpoint of a run: given by the user, missing, or dying under it."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from stress.api import RunOptions, RunProgress, run
from stress.cli import ExitCode, main
from stress.errors import HarnessFault, InvalidArgument
from stress.finding import Verdict
from stress.finding_store import FindingStore
from stress.workloads.endpoint import Endpoint, check_endpoint, serve_endpoint


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://127.0.0.1:1/v1", "no model server answers at 'https://127.0.0.1:1/v1'"),
        ("http://127.0.0.1:1/v1", "it is no https URL"),
        ("nonsense", "it is no https URL"),
        ("https://[", "no model server answers at 'https://['"),
    ],
)
def test_a_missing_endpoint(
    url: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "client_resolution", "--trials", "1", "--endpoint", url]
    assert main([*command, "--findings", str(tmp_path)]) == ExitCode.WRONG_USE
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert words in complaint
    assert "python -m stress.workloads.model_server" in complaint


def test_something_else_that_answers(endpoint: Endpoint) -> None:
    with pytest.raises(InvalidArgument, match="no model server answers at"):
        # The certificate is not one that the system trusts.
        check_endpoint(Endpoint(endpoint.base_url))


def test_an_endpoint_that_runs_already(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", endpoint.ca_file)
    options = RunOptions(
        workload="client_resolution",
        trials=2,
        findings_directory=tmp_path,
        endpoint=endpoint.base_url,
    )
    assert run(options).verdict is Verdict.HOLDS


def test_what_fails_after_the_model_server_died_is_no_finding(tmp_path: Path) -> None:
    def kill_once(progress: RunProgress) -> None:
        if progress.trials >= 2:
            for pid in model_servers():
                os.kill(pid, signal.SIGKILL)

    options = RunOptions(workload="client_resolution", time_limit_s=60, findings_directory=tmp_path)
    with pytest.raises(HarnessFault, match="the model server died during the run"):
        run(options, on_progress=kill_once)
    assert FindingStore(tmp_path).list() == ()


@pytest.mark.parametrize(("dies", "error"), [(True, HarnessFault), (False, InvalidArgument)])
def test_what_a_sandbox_complains_of_when_it_begins(
    dies: bool, error: type[Exception], tmp_path: Path
) -> None:
    def complain() -> None:
        with serve_endpoint(tmp_path) as endpoint:
            if dies:
                assert endpoint.pid is not None
                os.kill(endpoint.pid, signal.SIGKILL)
            raise InvalidArgument("a warm-up failed: Connection error.")

    with pytest.raises(error) as caught:
        complain()
    told = "the model server died during the run" if dies else "a warm-up failed"
    assert str(caught.value).startswith(told)


def model_servers() -> list[int]:
    """The model servers that are children of this process and not the session's."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"model_server" in command and b"hermes-stress-" in command:
                found.append(child)
    return found


def test_a_python_that_cannot_make_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRESS_SERVER_PYTHON", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["run", "console", "--findings", str(tmp_path)]) == ExitCode.WRONG_USE
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "install hermes-stress[endpoint]" in complaint
    assert "STRESS_SERVER_PYTHON" in complaint
