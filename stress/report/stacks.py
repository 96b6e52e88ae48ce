"""Stacks of threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from stress.evidence import is_library, waits
from stress.finding import Frame, ThreadStack

_BAD, _HEADING, _FAINT, _OURS = "bold red", "bold", "dim", "bold cyan"
_STACKS_MAX = 24
_FRAMES_MAX = 30
_NAMES_MAX = 4


def append_threads(text: Text, threads: Sequence[ThreadStack], target: str) -> None:
    """All stacks, equal ones once; the threads that failed first."""
    if not threads:
        return
    text.append("\nthreads\n", _HEADING)
    groups: dict[tuple[bool, tuple[Frame, ...]], list[ThreadStack]] = {}
    for stack in threads:
        groups.setdefault((not stack.current, stack.frames), []).append(stack)
    # Sorting is stable: the failed threads first, the others in the order of the dump.
    ordered = sorted(groups.items(), key=lambda group: group[0][0])
    for (standing, frames), stacks in ordered[:_STACKS_MAX]:
        names = [stack.thread for stack in stacks[:_NAMES_MAX]]
        more = f" and {len(stacks) - len(names)} more" if len(stacks) > len(names) else ""
        text.append(f"  {', '.join(names)}{more}", _HEADING if standing else _BAD)
        waiting = " (waits for a lock)" if waits(stacks[0]) == "lock" else ""
        text.append(f"{'' if standing else ' ◀ here'}{waiting}\n")
        append_frames(text, frames, target)
    if len(ordered) > _STACKS_MAX:
        left = sum(len(stacks) for _, stacks in ordered[_STACKS_MAX:])
        text.append(f"  … {left} more threads\n", _FAINT)


def append_frames(text: Text, frames: Sequence[Frame], target: str) -> None:
    """One stack, innermost frame first; frames of libraries are folded."""
    # The innermost frame always stays: it says in which call of the library the thread is.
    folded = 0
    for number, frame in enumerate(frames[:_FRAMES_MAX]):
        library = is_library(frame.file, target)
        if library and number:
            folded += 1
            continue
        _append_folded(text, folded)
        folded = 0
        style = _FAINT if library else _OURS
        text.append(f"    {frame.function}", style)
        text.append(f"  {_display_path(frame.file)}:{frame.line}\n", _FAINT if library else "")
    _append_folded(text, folded)
    if len(frames) > _FRAMES_MAX:
        text.append(f"    … {len(frames) - _FRAMES_MAX} more frames\n", _FAINT)


def _append_folded(text: Text, count: int) -> None:
    if count:
        text.append(f"    … {count} library frame{'s' if count > 1 else ''}\n", _FAINT)


def _display_path(file: str) -> str:
    """The path as an editor can open it from here."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return file
