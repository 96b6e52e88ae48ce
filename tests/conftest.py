"""What the tests share."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from stress.workloads.endpoint import Endpoint, serve_endpoint

# A gate judges the change before it, not its luck: properties draw the same examples each time.
# `nox -s tests -- --hypothesis-profile=search` draws new ones.
settings.register_profile("gate", derandomize=True)
settings.register_profile("search", derandomize=False, print_blob=True)
settings.load_profile("gate")

# Who runs us in the background may have had Ctrl-C ignored, and children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # Not the main thread.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A scripted model server that lives as long as the test session (one per xdist worker)."""
    with serve_endpoint(tmp_path_factory.mktemp("endpoint")) as served:
        yield served
