"""Family `console`: bystanders that print, spinners, and progress lines, on one standard output."""

from __future__ import annotations

import itertools
import os
import random
import stat
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hermes.delegate_display import _build_child_progress_callback
from hermes.spinner import KawaiiSpinner
from stress.finding import Violation
from stress.oracles import process as oracle
from stress.oracles.history import Call
from stress.plan import Operation
from stress.workloads.delegation import draw_parent
from stress.workloads.family import Family, Stage
from stress.workloads.probes import unwrapped

Drawn = tuple[str, dict[str, Any]]

#: How long one chatter lasts, in seconds: as long as children beside it start and end.
CHATTER_S = (0.05, 0.2)


@dataclass
class State:
    """Standard output as it was, and where descriptor 1 can be read back."""

    stage: Stage
    out: TextIO
    transcript: Path
    saved_descriptor: int | None


def draw_bystander(source: random.Random, label: str, size: int) -> list[Drawn]:
    """Prints, spinners and progress lines, each with a token that must reach the output."""
    drawn: list[Drawn] = []
    for number in range(size):
        seconds = round(source.uniform(*CHATTER_S), 3)
        drawn.append(
            ("console.chatter", {"label": f"{label}.chatter-{number}", "seconds": seconds})
        )
    for number in range(4 * size):
        tokens = [f"<{label}.{number}.{index}>" for index in range(source.randrange(5, 30))]
        verb = source.choice(["print", "print", "print", "spinner", "progress"])
        kept = tokens if verb == "print" else tokens[:5]
        drawn.append((f"console.{verb}", {"tokens": kept}))
    source.shuffle(drawn)
    return drawn


def open_state(stage: Stage) -> State:
    """Make sure that what is printed can be read back: descriptor 1 must be a regular file."""
    sys.stdout.flush()
    saved = None
    transcript = Path(f"/proc/{os.getpid()}/fd/1")
    if not stat.S_ISREG(os.fstat(1).st_mode):
        transcript = stage.directory / "console.txt"
        saved = os.dup(1)
        with transcript.open("wb") as file:
            os.dup2(file.fileno(), 1)
    return State(stage, unwrapped(sys.stdout), transcript, saved)


def print_lines(state: State, actor: str, operation: Operation) -> None:
    """Print each token, as any part of a program may."""
    for token in operation.arguments["tokens"]:
        print("line", token)
        state.stage.recorder.note("print")


def chatter(state: State, actor: str, operation: Operation) -> int:
    """Print without a pause for a while; how many lines that were."""
    label = operation.arguments["label"]
    end = time.monotonic() + float(operation.arguments["seconds"])
    count = 0
    while time.monotonic() < end:
        print("line", f"<{label}.{count}>")
        count += 1
    return count


def spinner(state: State, actor: str, operation: Operation) -> None:
    """Let a spinner turn, change its text, and print above it."""
    turning = KawaiiSpinner(f"{actor} thinks")
    turning.start()
    try:
        for token in operation.arguments["tokens"]:
            turning.update_text(f"{actor} still thinks")
            turning.print_above(f"above {token}")
            time.sleep(0.001)
    finally:
        turning.stop()


def progress(state: State, actor: str, operation: Operation) -> None:
    """Report a child's tools through the callback that delegation gives it."""
    turning = KawaiiSpinner(f"{actor} delegates")
    relay = _Relay(turning)
    callback = _build_child_progress_callback(0, relay, 2)
    if callback is None:
        raise LookupError("no progress callback although there is a spinner")
    turning.start()
    try:
        for token in operation.arguments["tokens"]:
            callback("terminal", token, {})
        callback._flush()  # type: ignore[attr-defined]
    finally:
        turning.stop()


class _Relay:
    """The part of a parent that a progress callback looks at."""

    def __init__(self, turning: KawaiiSpinner) -> None:
        self._delegate_spinner = turning
        self.tool_progress_callback = None


def judge(state: State, calls: Sequence[Call]) -> Iterable[Violation]:
    """Every token was written once."""
    state.out.flush()
    text = state.transcript.read_text(encoding="utf-8", errors="replace")
    printed = [call for call in calls if call.family == "console" and not call.error]
    yield from oracle.check_printed(itertools.chain.from_iterable(map(tokens_of, printed)), text)


def tokens_of(call: Call) -> Iterable[str]:
    """What a call printed, as its arguments and its result tell."""
    if call.name == "console.chatter":
        return (f"<{call.arguments['label']}.{index}>" for index in range(call.result))
    return call.arguments["tokens"]  # type: ignore[no-any-return]


def close(state: State) -> None:
    """Put the descriptor back."""
    if state.saved_descriptor is not None:
        state.out.flush()
        os.dup2(state.saved_descriptor, 1)
        os.close(state.saved_descriptor)


FAMILY = Family(
    name="console",
    open=open_state,
    close=close,
    handlers={
        "chatter": chatter,
        "print": print_lines,
        "spinner": spinner,
        "progress": progress,
    },
    judge=judge,
)


def draw_actors(source: random.Random, size: int) -> Iterable[tuple[str, list[Drawn]]]:
    """Three bystanders beside two parents whose children run quietly."""
    for number in range(3):
        yield f"bystander-{number}", draw_bystander(source, f"b{number}", 2 * size)
    for number in range(2):
        yield f"quiet-parent-{number}", draw_parent(source, f"q{number}", 2 * size)
