"""Programs for the sandbox: one for each way of ending. Run in a forked process of a host only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stress.trial import Recorder, Trial


def finish(trial: Trial, recorder: Recorder) -> Mapping[str, Any]:
    with recorder.operation(0, "double"):
        return {"doubled": 2 * trial.payload.get("number", trial.index)}
