"""What a host does once, so that none of its trials has to: import and build what is lazy."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import openai

from hermes.state import SessionDB
from stress.workloads.script import Reply, Script

REQUEST_TIMEOUT_S = 20.0


def warm_up() -> None:
    """Make a request of each kind, open a store, and leave nothing of them in the process.

    The SDK imports and builds most of itself on first use, which takes as long as a small trial.
    The endpoint is the one in the environment. Raises what the SDK raises where none answers.
    """
    for name in ("asyncio", "concurrent.futures"):
        importlib.import_module(name)
    messages: Any = [{"role": "user", "content": Script((Reply("warm"),)).embed("warm up")}]
    with openai.OpenAI(timeout=REQUEST_TIMEOUT_S, max_retries=0) as client:
        client.chat.completions.create(model="scripted", messages=messages)
        with client.chat.completions.create(
            model="scripted", messages=messages, stream=True
        ) as stream:
            list(stream)
    with tempfile.TemporaryDirectory() as directory:
        SessionDB(Path(directory) / "state.db").close()
