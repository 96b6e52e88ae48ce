"""Real `threading.local` objects, most of them of a subclass, which no model can stand for.

What they hold belongs to a thread of the system, and one such thread carries many tasks, one after
another or in turns. So before instrumented code touches one, what is there is that of its task.
"""

from __future__ import annotations

import _thread
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from stress.engine.task import Task

LOCAL = _thread._local
_IDENT = _thread.get_ident


class NativeLocals:
    """The locals of one exploration that were touched."""

    def __init__(self) -> None:
        # By local and thread of the system: whose content is there now. By local and task: the
        # content of who had to make room. By local: what the exploring thread had before. A local
        # that a program makes ends with it, and is then forgotten.
        self._there: dict[tuple[int, int], Task] = {}
        self._kept: dict[tuple[int, Task], dict[str, Any]] = {}
        self._before: dict[int, tuple[Callable[[], Any], dict[str, Any]]] = {}
        self._execution: Any = None

    def come_in(self, execution: Any, task: Task, local: Any) -> None:
        """Put the content of `task` there."""
        place = (id(local), _IDENT())
        if self._there.get(place) is task:
            return
        if execution is not self._execution:
            self._execution = execution
            self._kept.clear()
        content = local.__dict__
        if id(local) not in self._before:
            reference = weakref.ref(local, partial(self._forget, id(local)))
            self._before[id(local)] = reference, dict(content)
        last = self._there.get(place)
        if last is not None and last.alive:
            self._kept[id(local), last] = dict(content)
        self._there[place] = task
        content.clear()
        kept = self._kept.pop((id(local), task), None)
        if kept is not None:
            content.update(kept)
        elif task.number == 0:
            content.update(self._before[id(local)][1])
        elif type(local).__init__ is not object.__init__:
            self._begin(execution, local)

    def _begin(self, execution: Any, local: Any) -> None:
        try:
            type(local).__init__(local)
        except TypeError:
            # It was made with arguments, that only C knows.
            execution.uncontrolled.setdefault(
                f"{type(local).__qualname__}, a threading.local with arguments, from before"
            )

    def _forget(self, identity: int, _: object) -> None:
        self._before.pop(identity, None)
        self._there = {key: task for key, task in self._there.items() if key[0] != identity}
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != identity}

    def leave(self) -> None:
        """Put back what the exploring thread had."""
        for reference, before in list(self._before.values()):
            local = reference()
            if local is not None:
                content = local.__dict__
                content.clear()
                content.update(before)
        self._before.clear()
        self._there.clear()
        self._kept.clear()
