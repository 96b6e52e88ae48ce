"""The project's sessions: `nox -s stress` is the main job, `nox -s tests` passes the tests."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ["3.11", "3.12", "3.13", "3.13t"]


@nox.session
def stress(session: nox.Session) -> None:
    """Stress the Hermes runtime on real threads; arguments go to `hermes-stress run`."""
    session.install("-e", ".[endpoint]")
    arguments = session.posargs or ["mixed", "--time", "60"]
    session.run("hermes-stress", "run", *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests on the Python that runs nox; arguments go to pytest."""
    session.install("-e", ".[endpoint,explore,test]")
    workers = os.environ.get("STRESS_TEST_WORKERS", "2")
    session.run("pytest", "-n", workers, "--stress-capture", *session.posargs)


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """All tests on every supported Python that this machine has."""
    if str(session.python).endswith("t"):
        # What the model server needs is not built for it: that runs on the Python of nox.
        session.env["STRESS_SERVER_PYTHON"] = python_with_a_server(session)
        session.install("--prefer-binary", "-e", ".[test]")
    else:
        session.install("-e", ".[endpoint,explore,test]")
    session.run("pytest", "-n", "2", "--stress-capture", *session.posargs)


def python_with_a_server(session: nox.Session) -> str:
    """A virtual environment beside the session's own, for the scripted model server only."""
    environment = Path(session.create_tmp()) / "server"
    session.run(sys.executable, "-m", "venv", str(environment), external=True)
    python = str(environment / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-q", "trustme>=1.2", external=True)
    return python


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, lint and strict types."""
    session.install("-e", ".[endpoint,explore,test,lint]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, each figure beside a floor or a peer that is measured in the same run."""
    install_compiled(session, "endpoint,explore,bench")
    # What is installed, and not what lies here.
    environment = {"PYTHONPATH": "ci", "PYTHONSAFEPATH": "1"}
    session.run("python", "ci/bench.py", *session.posargs, env=environment)


@nox.session
def compiled(session: nox.Session) -> None:
    """The tests of controlled execution, with the engine's core compiled."""
    if not has_compiler():
        session.skip("there is no compiler for C here")
    install_compiled(session, "endpoint,explore,test")
    room = Path(session.create_tmp())
    for name in ("tests", "docs"):
        shutil.copytree(name, room / name, dirs_exist_ok=True)
    shutil.copy("pyproject.toml", room)
    session.chdir(room)
    session.run("python", "-c", "import stress.engine; assert stress.engine.is_compiled()")
    tests = session.posargs or [
        "tests/stress/engine", "tests/stress/instrument/test_accesses.py",
        "tests/stress/test_exploration.py", "tests/stress/test_conformance_kits.py",
    ]  # fmt: skip
    session.run("pytest", "-n", os.environ.get("STRESS_TEST_WORKERS", "2"), *tests)


def has_compiler() -> bool:
    """Whether C can be compiled here, for this Python."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return header.exists() and shutil.which(os.environ.get("CC", "cc")) is not None


def install_compiled(session: nox.Session, extras: str) -> None:
    """This package with its core compiled; without a compiler for C, as it is."""
    if not has_compiler():
        session.warn("there is no compiler for C here: the core of the engine is not compiled")
    else:
        session.env["HERMES_STRESS_COMPILE"] = "1"
    shutil.rmtree("build", ignore_errors=True)
    session.install(f".[{extras}]")


@nox.session
def soak(session: nox.Session) -> None:
    """Random executions of every program of the corpus, each twice; arguments pass through."""
    session.install("-e", ".[endpoint,explore]")
    session.run("python", "ci/soak.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the tables of the docs anew, from measurements."""
    session.install("-e", ".[endpoint]")
    session.run("python", "ci/known_races.py", *session.posargs)
