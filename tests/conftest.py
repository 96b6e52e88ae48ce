"""What the tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stress.workloads.endpoint import Endpoint, serve_endpoint


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A scripted model server that lives as long as the test session (one per xdist worker)."""
    with serve_endpoint(tmp_path_factory.mktemp("endpoint")) as served:
        yield served
