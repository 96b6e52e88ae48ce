"""Files and sockets that are let go without being closed: the interpreter warns of each.

By default nobody hears that warning. Here it is kept, with where the task stands that lets go the
last reference, and is not shown.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stress.engine.context import context, controlled
from stress.engine.outcome import Unclosed
from stress.engine.places import FRAMES, as_frame, is_ours
from stress.frame import Frame


@contextmanager
def resource_warnings() -> Iterator[None]:
    """Within the block, warnings of tasks come into the outcome of the execution."""
    module: Any = warnings
    shown = module._showwarnmsg

    def kept(message: Any) -> None:
        if not issubclass(message.category, ResourceWarning):
            shown(message)
            return
        mine = controlled()
        # What is unwound leaves open what the program would have closed.
        if mine is not None and not mine[0].aborting:
            what = str(message.message)
            context.unclosed.append(Unclosed(mine[1].number, what, _frames()))

    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        module._showwarnmsg = kept
        try:
            yield
        finally:
            module._showwarnmsg = shown


def _frames() -> tuple[Frame, ...]:
    frame = sys._getframe(2)
    found: list[Frame] = []
    while frame is not None and len(found) < FRAMES:
        if not is_ours(frame.f_code.co_filename):
            found.append(as_frame(frame))
        elif found:
            break  # The frames of a carrier, below those of the task.
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(found)
