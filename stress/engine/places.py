"""Where tasks stand, of each recorded step: taken down quickly, and told when somebody asks."""

from __future__ import annotations

import linecache
from itertools import islice
from types import CodeType, FrameType

from stress.evidence import is_library
from stress.frame import Frame

#: A code and the instruction in it.
Place = tuple[CodeType, int]
#: Of a task, innermost first.
Stack = tuple[Place, ...]

#: So many of a stack are kept.
FRAMES = 40
_ENGINE = __file__.rpartition("/")[0] + "/"
#: Below the frames of a task come those of its carrier, and of whoever explores.
_CARRIERS = f"{_ENGINE}carriers.py"
_PROGRAM, _LIBRARY, _OURS, _END = range(4)


class Places:
    """Looks at the frames of tasks. What a code belongs to is found out once."""

    __slots__ = ("_codes", "_frames", "_target")

    def __init__(self, target: str) -> None:
        self._target = target
        # By identity: what is among the constants of a code may have no hash. The code is held, so
        # that no other one comes to have its identity.
        self._codes: dict[int, tuple[CodeType, int]] = {}
        self._frames: dict[tuple[int, int], Frame] = {}

    def look(self, frame: FrameType | None) -> tuple[Frame | None, Stack]:
        """The innermost frame of the program, else the innermost of a library; and the stack."""
        codes = self._codes
        found = None
        inside = False
        stack: list[Place] = []
        while frame is not None and len(stack) < FRAMES:
            code = frame.f_code
            known = codes.get(id(code)) or self._find_out(code)
            owner = known[1]
            if owner == _END:
                break
            if owner != _OURS:
                stack.append((code, frame.f_lasti))
                if not inside and (found is None or owner == _PROGRAM):
                    found, inside = frame, owner == _PROGRAM
            frame = frame.f_back
        return None if found is None else self._as_frame(found), tuple(stack)

    def _find_out(self, code: CodeType) -> tuple[CodeType, int]:
        file = code.co_filename
        if file == _CARRIERS:
            owner = _END
        elif is_ours(file):
            owner = _OURS
        else:
            owner = _LIBRARY if is_library(file, self._target) else _PROGRAM
        found = self._codes[id(code)] = code, owner
        return found

    def _as_frame(self, frame: FrameType) -> Frame:
        key = id(frame.f_code), frame.f_lasti
        found = self._frames.get(key)
        if found is None:
            found = self._frames[key] = as_frame(frame)
        return found


def is_ours(file: str) -> bool:
    """Whether a file is one of the engine's."""
    return file.startswith(_ENGINE)


def as_frame(frame: FrameType) -> Frame:
    """A frame as plain data."""
    return Frame(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname)


def frames_of(stack: Stack) -> tuple[Frame, ...]:
    """A stack as plain data."""
    return tuple(
        Frame(code.co_filename, _line_of(code, instruction), code.co_qualname)
        for code, instruction in stack
    )


def _line_of(code: CodeType, instruction: int) -> int:
    for first, beyond, line in code.co_lines():
        if first <= instruction < beyond:
            return line or 0
    return 0


def span_of(place: Place) -> tuple[int | None, int | None, int | None, int | None]:
    """Where in the source an instruction stands: first line and column, last line and column."""
    code, instruction = place
    found = next(islice(code.co_positions(), instruction // 2, None), None)
    if found is None:
        return None, None, None, None
    line, last_line, column, last_column = found
    return line, column, last_line, last_column


def source_of(place: Place) -> str:
    """What stands in the source for an instruction; empty where that is not known, or is long."""
    line, column, last_line, last_column = span_of(place)
    if line is None or line != last_line or column is None or last_column is None:
        return ""
    # Columns count bytes.
    text = linecache.getline(place[0].co_filename, line).encode()
    return text[column:last_column].decode(errors="replace")
