"""Reads what `faulthandler` wrote: the stacks of every thread at the moment of a crash or a hang.

Understands the formats of CPython 3.11 to 3.14, with and without the GIL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stress.finding import Frame, ThreadStack

_THREAD = re.compile(
    r"^(?P<current>Current thread|Thread) 0x(?P<ident>[0-9a-fA-F]+)"
    r"(?: \[(?P<name>.*)\])? \(most recent call first\):$"
)
# Without the GIL, 3.13 shows the failing thread only, and does not say which one it is.
_ALONE = re.compile(r"^Stack \(most recent call first\):$")
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.*)$')
#: Of a thread that runs no Python.
_NO_FRAME = "<no Python frame>"
_FATAL = re.compile(r"^Fatal Python error: (?P<what>.*)$")

_Section = tuple[int, str, bool, list[Frame]]


def parse_dump(text: str, names: Mapping[int, str]) -> tuple[ThreadStack, ...]:
    """The threads of the last dump in `text`, the failing one first.

    `names` maps thread idents to names; a thread that it does not know keeps the name that the
    dump gives, or is called `thread 1`, `thread 2` in order of appearance. Never raises: what
    cannot be read is left out.
    """
    dumps = [dump for dump in _split(text.splitlines()) if dump]
    if not dumps:
        return ()
    stacks: list[ThreadStack] = []
    unnamed = 0
    for ident, shown, current, frames in dumps[-1]:
        name = names.get(ident) or shown
        if not name:
            unnamed += 1
            name = f"thread {unnamed}"
        stacks.append(ThreadStack(name, tuple(frames), current))
    return tuple(sorted(stacks, key=lambda stack: not stack.current))


def fatal_error(text: str) -> str:
    """What the interpreter called the last fatal error in `text`; empty where there is none."""
    found = [match["what"] for line in text.splitlines() if (match := _FATAL.match(line))]
    return found[-1] if found else ""


def breaks_off(text: str) -> bool:
    """Whether the last dump of a fatal error ends before the frames of the thread that failed."""
    if not fatal_error(text):
        return False
    failed = next((stack for stack in parse_dump(text, {}) if stack.current), None)
    return failed is None or not (failed.frames or _NO_FRAME in text)


def without_frames_of(
    stacks: Sequence[ThreadStack], files: frozenset[str]
) -> tuple[ThreadStack, ...]:
    """The stacks without the outer frames that begin at a frame of one of `files`."""
    return tuple(
        ThreadStack(stack.thread, tuple(_inner(stack.frames, files)), stack.current)
        for stack in stacks
    )


def _inner(frames: Sequence[Frame], files: frozenset[str]) -> Iterator[Frame]:
    for frame in frames:
        if frame.file in files:
            return
        yield frame


def _split(lines: Sequence[str]) -> Iterator[list[_Section]]:
    """One list of threads for each dump: a fatal error, or a thread seen before, begins another."""
    dump: list[_Section] = []
    reading = False
    for line in lines:
        thread = _THREAD.match(line)
        if thread or _ALONE.match(line):
            ident = int(thread["ident"], 16) if thread else 0
            if any(ident == section[0] for section in dump):
                yield dump
                dump = []
            shown = (thread["name"] or "") if thread else ""
            current = thread is None or thread["current"] == "Current thread"
            dump.append((ident, shown, current, []))
            reading = True
        elif _FATAL.match(line):
            yield dump
            dump, reading = [], False
        elif reading and (frame := _FRAME.match(line)):
            number = int(frame["line"]) if frame["line"].isdigit() else 0
            dump[-1][3].append(Frame(frame["file"], number, frame["function"]))
        elif not line.startswith("  "):
            reading = False
    yield dump
