"""Reading of stacks and flight records: whose frame it is, who waits, what was in flight."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from stress.finding import Frame, RecordedOperation, ThreadStack

PACKAGE = Path(__file__).parent.as_posix() + "/"
_ROOT = Path(__file__).parent.parent.as_posix() + "/"
# These rooms of the harness hold programs under test: their frames are a user's frames.
_PROGRAM_ROOMS = ("workloads/", "mutants/")
_LIBRARY = re.compile(
    r"/lib(?:64|32)?/python3[^/]*/(?:(?:site|dist)-packages/)?|/(?:site|dist)-packages/"
)
_TRACEBACK_FRAME = re.compile(r'^[ |+]*File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
_TRACEBACK_HEAD = "Traceback (most recent call last)"

_LOCK_LINE = re.compile(r"\.acquire\(|\bwith\b.*(?:lock|mutex|semaphore)", re.IGNORECASE)
# `with name:` enters an object made earlier: if that blocks, it is a lock or one of these.
_NAME_LINE = re.compile(r"^\s*with\s+[\w.]+\s*(?:,|:|as\b)")
_NO_LOCK_LINE = re.compile(r"conn|cursor|\bdb\b|database|session|file", re.IGNORECASE)
_WAIT_LINE = re.compile(r"\.(?:join|wait|wait_for|result)\(")
_SLEEP_LINE = re.compile(r"\bsleep\(")
_WAIT_FUNCTIONS = frozenset(
    {"wait", "wait_for", "join", "_wait_for_tstate_lock", "_shutdown", "result", "as_completed"}
)


def is_library(file: str, target: str = "") -> bool:
    """Whether a frame of `file` belongs to a library or to the harness, not to the program.

    `target` is the package under test: it counts as the program wherever it is installed.
    """
    if file.startswith("<frozen"):
        return True
    if file.startswith(PACKAGE):
        return not file.removeprefix(PACKAGE).startswith(_PROGRAM_ROOMS)
    if target and f"/{target.partition('.')[0].partition(':')[0]}/" in file:
        return False
    return _LIBRARY.search(file) is not None


def innermost(frames: Sequence[Frame], target: str = "") -> Frame | None:
    """The innermost frame of the program; where there is none, the innermost frame at all.

    Comprehensions are passed over: Python 3.12 and later give them no frame of their own.
    """
    named = [frame for frame in frames if not frame.function.endswith(("comp>", "genexpr>"))]
    own = [frame for frame in named if not is_library(frame.file, target)]
    return next(iter(own or named or frames), None)


def short_path(file: str) -> str:
    """`file` without the part that differs from machine to machine: stable, for fingerprints."""
    libraries = list(_LIBRARY.finditer(file))
    if libraries:
        return file[libraries[-1].end() :]
    if file.startswith(_ROOT):
        return file.removeprefix(_ROOT)
    return file if file.startswith("<") else file.rpartition("/")[2]


def place_of(frame: Frame) -> str:
    """The stable name of the function that a frame is in: no line, no class, no machine."""
    return f"{short_path(frame.file)}:{frame.function.rpartition('.')[2]}"


def describe_frame(frame: Frame) -> str:
    """A frame for a message: function, short path and line."""
    return f"{frame.function} ({short_path(frame.file)}:{frame.line})"


def traceback_frames(text: str) -> tuple[Frame, ...]:
    """Frames of the last traceback in `text` (the exception that escaped), innermost first."""
    last = text[max(text.rfind(_TRACEBACK_HEAD), 0) :]
    found = [Frame(m[1], int(m[2]), m[3]) for m in _TRACEBACK_FRAME.finditer(last)]
    return tuple(reversed(found))


def in_flight(operations: Iterable[RecordedOperation]) -> tuple[RecordedOperation, ...]:
    """The operations that began and did not end, oldest first."""
    begun: dict[tuple[str, int, str], RecordedOperation] = {}
    for operation in operations:
        key = (operation.thread, operation.step, operation.name)
        if operation.phase == "begin":
            begun[key] = operation
        elif operation.phase in ("end", "error"):
            begun.pop(key, None)
    return tuple(begun.values())


def waits(stack: ThreadStack) -> str:
    """What a thread waits for: `lock`, `sleep`, `other` (a join, an event), or empty if it runs.

    A stack names no C function, so a lock taken by `with` or `acquire` shows only in the source
    line of the innermost frame.
    """
    if not stack.frames:
        return ""
    frame = stack.frames[0]
    short = short_path(frame.file)
    line = linecache.getline(frame.file, frame.line)
    if short == "threading.py":
        # Condition.wait is how semaphores, events and barriers wait: their caller tells which.
        outer = stack.frames[1].function if len(stack.frames) > 1 else ""
        if frame.function in ("acquire", "__enter__") or outer == "acquire":
            return "lock"
        return "other" if frame.function in _WAIT_FUNCTIONS else ""
    if short.startswith("concurrent/futures/") and frame.function in _WAIT_FUNCTIONS:
        return "other"
    if _LOCK_LINE.search(line):
        return "lock"
    if _NAME_LINE.search(line) and not _NO_LOCK_LINE.search(line):
        return "lock"
    if _SLEEP_LINE.search(line):
        return "sleep"
    return "other" if _WAIT_LINE.search(line) else ""


def is_idle(stack: ThreadStack) -> bool:
    """Whether a thread has nothing to do: no frame, or a pool worker that waits for work."""
    if not stack.frames:
        return True
    frame = stack.frames[0]
    return short_path(frame.file) == "concurrent/futures/thread.py" and frame.function == "_worker"
