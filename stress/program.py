"""What a sandbox runs in one trial: a plan of a workload, under a mutant or not, or any callable.

The functions here are named to the sandbox as `module:function`; they take a trial and a recorder
and return the report `{"violations": [...], "statistics": {...}}`.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from stress.finding import Violation
from stress.loading import load_target
from stress.mutants.catalogue import MUTANTS
from stress.observe import Observed
from stress.oracles import history, process
from stress.plan import Plan
from stress.trial import Recorder, Trial
from stress.workloads.catalogue import FAMILIES, WORKLOADS
from stress.workloads.performance import perform, settled_resources, take_resources
from stress.workloads.probes import innermost

#: What is looked at of a workload: what a mutant puts in place too.
_HERMES = ("hermes", "stress.mutants")


def run_plan(trial: Trial, recorder: Recorder) -> Mapping[str, Any]:
    """Perform a plan. Payload: `workload`, `size`, `mutant` or None, and `plan` or None.

    Without a plan, the one of the trial's seed is drawn.
    """
    payload = trial.payload
    plan = (
        Plan.from_json(payload["plan"])
        if payload.get("plan")
        else WORKLOADS[payload["workload"]].draw(trial.seed, int(payload["size"]))
    )
    mutant = MUTANTS[payload["mutant"]].apply() if payload.get("mutant") else nullcontext()
    with mutant, looked_at(trial, _HERMES, None) as observed:
        performance = perform(plan, FAMILIES, trial_directory(), recorder)
    violations = [*performance.violations, *observed.violations]
    return {
        "violations": [as_json(violation) for violation in violations],
        "statistics": {
            "operations": len(performance.calls),
            "threads_max": performance.threads_max,
            "overlapped": performance.overlapped,
        },
    }


def run_target(trial: Trial, recorder: Recorder) -> Mapping[str, Any]:
    """Call a zero-argument callable, named `module:callable` in the payload's `target`.

    The callable starts its own threads and joins them. What it raises is left to the sandbox;
    threads that died of an exception, and threads and descriptors that it leaves, are violations.
    """
    target = load_target(str(trial.payload["target"]))
    uncaught: list[tuple[str, str, str]] = []
    started: list[str] = []

    def hook(arguments: Any) -> None:
        thread = arguments.thread.name if arguments.thread else "unknown"
        error = f"{arguments.exc_type.__name__}: {arguments.exc_value}"
        uncaught.append((thread, innermost(arguments.exc_traceback), error))
        sys.__excepthook__(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    start = threading.Thread.start

    def counted(self: threading.Thread) -> None:
        started.append(self.name)
        start(self)

    threading.excepthook = hook
    threading.Thread.start = counted  # type: ignore[method-assign]
    before = take_resources()
    try:
        with (
            looked_at(trial, (target.__module__,), target) as observed,
            recorder.operation(0, str(trial.payload["target"])),
        ):
            target()
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
        threading.excepthook = threading.__excepthook__
    violations = [
        *history.check_no_thread_exceptions(uncaught),
        *process.check_leaks(before, settled_resources(before)),
        *observed.violations,
    ]
    return {
        "violations": [as_json(violation) for violation in violations],
        "statistics": {
            "operations": 1,
            "threads_max": len(started) + 1,
            # One started thread beside the main one is what it takes to be concurrent.
            "overlapped": bool(started),
        },
    }


def looked_at(
    trial: Trial, targets: tuple[str, ...], program: Callable[[], object] | None
) -> AbstractContextManager[Observed]:
    """Have the detectors of the payload look on, where there are any."""
    names = tuple(trial.payload.get("detectors") or ())
    free_threaded = bool(trial.payload.get("free_threaded"))
    if not names:
        return nullcontext(Observed())
    from stress.observe.judged import observed

    return observed(targets, program, names, seed=trial.seed, free_threaded=free_threaded)


def trial_directory() -> Path:
    """The directory that the sandbox made for this trial, and removes after it."""
    return Path(os.environ["STRESS_TRIAL_DIRECTORY"])


def as_json(violation: Violation) -> dict[str, Any]:
    """A violation as JSON values."""
    return {**dataclasses.asdict(violation), "kind": violation.kind.value}
