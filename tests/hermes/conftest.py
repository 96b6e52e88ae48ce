"""A home of its own, a store and agents on the scripted endpoint, for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes import auxiliary_client
from hermes.agent import AIAgent
from hermes.state import SessionDB
from stress.workloads.endpoint import Endpoint

MakeAgent = Callable[..., AIAgent]


@pytest.fixture
def home(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HERMES_HOME, the working directory, and an environment that names the endpoint."""
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HERMES_HOME", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionDB]:
    opened = SessionDB(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def make_agent(home: Path, store: SessionDB) -> Iterator[MakeAgent]:
    """`make_agent(**options)`: an agent on the store; closed at the end of the test."""
    made: list[AIAgent] = []

    def make(**options: Any) -> AIAgent:
        given = {"model": "scripted", "quiet_mode": True, "session_db": store, **options}
        made.append(AIAgent(**given))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def fresh_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No auxiliary client of another test, and none left for the next."""
    monkeypatch.setattr(auxiliary_client, "_client_cache", {})
    monkeypatch.setattr(auxiliary_client, "_client_loops", {})
    yield
    auxiliary_client.close_cached_clients()
