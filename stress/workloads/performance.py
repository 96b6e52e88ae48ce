"""Perform a plan on real threads: open the stage, start the actors, judge, close, look back."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hermes.state import SessionDB
from stress.finding import Violation
from stress.oracles import history, process
from stress.oracles.history import Call
from stress.plan import Actor, Operation, Plan
from stress.trial import Recorder
from stress.workloads.family import ACTOR_PREFIX, Family, Observations, Stage
from stress.workloads.probes import innermost, observe, unwrapped

#: Threads and descriptors may take this long to go away before they count as leaked, in seconds.
LEAK_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Performance:
    """What one performance gave: the history, what the oracles said, and its size."""

    calls: tuple[Call, ...]
    violations: tuple[Violation, ...]
    threads_max: int

    @property
    def overlapped(self) -> bool:
        """Whether two actors were ever inside an operation at once."""
        return history.overlaps(self.calls)


def perform(
    plan: Plan,
    families: Mapping[str, Family],
    directory: Path,
    recorder: Recorder,
    *,
    judged: bool = True,
) -> Performance:
    """Run `plan` once; `directory` must be empty and private.

    With `judged` off nothing is probed or judged: the bare run that the benchmark compares with.
    Every violation is reported once. Whatever the plan's operations leave in the process is
    closed again, also when an operation never should have failed.
    """
    used = [families[name] for name in dict.fromkeys(_family_names(plan))]
    before = take_resources()
    streams = take_streams()
    observations = Observations()
    violations: list[Violation] = []
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"HERMES_HOME": str(directory)}))
        # The files that agents write are theirs, and go with the trial.
        stack.enter_context(contextlib.chdir(directory))
        if judged:
            stack.enter_context(observe(observations, recorder))
        store = SessionDB(directory / "state.db")
        stack.callback(store.close)
        stage = Stage(plan, directory, recorder, store, observations)
        for family in used:
            state = stage.states[family.name] = family.open(stage)
            stack.callback(family.close, state)
        calls, threads_max = _act(stage, {family.name: family for family in used})
        if judged:
            violations += history.check_no_escaped_exceptions(calls)
            violations += history.check_no_thread_exceptions(observations.uncaught)
            for family in used:
                violations += family.judge(stage.states[family.name], calls)
            now = take_streams()
            violations += process.check_streams({name: now[name] is streams[name] for name in now})
    if judged:
        violations += process.check_leaks(before, settled_resources(before))
    return Performance(calls, _distinct(violations), threads_max)


def _family_names(plan: Plan) -> list[str]:
    return [operation.name.partition(".")[0] for operation in plan.operations]


def _distinct(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    # One defect hits many rows of one trial: one violation a place is enough to report it.
    return tuple({(v.kind, v.oracle, v.place): v for v in reversed(violations)}.values())[::-1]


def _act(stage: Stage, families: Mapping[str, Family]) -> tuple[tuple[Call, ...], int]:
    """Start every actor at once, wait for all, and give back the history."""
    calls: list[Call] = []
    start = threading.Barrier(len(stage.plan.actors) + 1)
    threads = [
        threading.Thread(
            target=_play,
            args=(stage, families, actor, start, calls),
            name=ACTOR_PREFIX + actor.name,
        )
        for actor in stage.plan.actors
    ]
    for thread in threads:
        thread.start()
    start.wait()
    threads_max = 0
    for thread in threads:
        while thread.is_alive():
            thread.join(0.05)
            threads_max = max(threads_max, threading.active_count())
    return tuple(sorted(calls, key=lambda call: call.began_ns)), threads_max


def _play(
    stage: Stage,
    families: Mapping[str, Family],
    actor: Actor,
    start: threading.Barrier,
    calls: list[Call],
) -> None:
    start.wait()
    for operation in actor.operations:
        calls.append(_call(stage, families, actor.name, operation))


def _call(stage: Stage, families: Mapping[str, Family], actor: str, operation: Operation) -> Call:
    family, _, verb = operation.name.partition(".")
    handler = families[family].handlers[verb]
    result: Any = None
    error = place = ""
    began = time.monotonic_ns()
    try:
        with stage.recorder.operation(operation.step, operation.name):
            result = handler(stage.states[family], actor, operation)
    except Exception as exception:  # An escaped exception is a finding, and the plan goes on.
        error, place = (
            f"{type(exception).__name__}: {exception}",
            innermost(exception.__traceback__),
        )
    ended = time.monotonic_ns()
    return Call(
        actor,
        operation.step,
        operation.name,
        operation.arguments,
        result,
        error,
        place,
        began,
        ended,
    )


def take_streams() -> dict[str, Any]:
    """The standard streams, whatever wraps them."""
    return {name: unwrapped(getattr(sys, name)) for name in ("stdout", "stderr")}


def take_resources() -> process.Resources:
    """The threads and the descriptors of this process, by stable names."""
    threads = [thread.name for thread in threading.enumerate()]
    descriptors = []
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            target = str(entry.readlink())
        except OSError:  # The descriptor of this very listing is gone by now.
            continue
        # Inode numbers and the paths of one trial would make every leak look new.
        descriptors.append(target.partition(":")[0] if ":[" in target else Path(target).name)
    return process.Resources(tuple(threads), tuple(descriptors))


def settled_resources(before: process.Resources) -> process.Resources:
    """The resources once they are back to `before`, or when patience has run out."""
    deadline = time.monotonic() + LEAK_PATIENCE_S
    gc.collect()
    while True:
        after = take_resources()
        if not list(process.check_leaks(before, after)) or time.monotonic() > deadline:
            return after
        time.sleep(0.005)
