"""A stack of three cells without locks, which three threads use: two may take the same cell.

The hardest program of the field: it takes three threads and five preemptions (Vyukov, in Thomson,
Donaldson, Betts: "Concurrency testing using controlled schedulers", TOPC 2016). A thread that holds
an old head in hand comes back when that cell is on top again, with another one below (ABA).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.corpus.atomics import Atomic
from tests.corpus.case import together

_CELLS, _NONE = 3, -1


class SafeStack:
    def __init__(self) -> None:
        self.head = Atomic(0)
        self.count = Atomic(_CELLS)
        self.below = [Atomic(n + 1 if n + 1 < _CELLS else _NONE) for n in range(_CELLS)]
        self.owners = [Atomic(_NONE) for _ in range(_CELLS)]

    def pop(self) -> int:
        while self.count.load() > 1:
            head = self.head.load()
            below = self.below[head].exchange(_NONE)
            if below >= 0:
                if self.head.compare_exchange(head, below)[0]:
                    self.count.add(-1)
                    return head
                self.below[head].exchange(below)
        return _NONE

    def push(self, cell: int) -> None:
        head = self.head.load()
        while True:
            self.below[cell].exchange(head)
            done, head = self.head.compare_exchange(head, cell)
            if done:
                self.count.add(1)
                return


def _use(stack: SafeStack, name: int, lock: threading.Lock | None) -> None:
    for _ in range(2):
        if lock is None:
            cell = stack.pop()
        else:
            with lock:
                cell = stack.pop()
        if cell < 0:
            continue
        stack.owners[cell].exchange(name)
        assert stack.owners[cell].load() == name, "a cell of two"
        if lock is None:
            stack.push(cell)
        else:
            with lock:
                stack.push(cell)


def _used_by_three(lock: Callable[[], threading.Lock | None]) -> None:
    stack, one = SafeStack(), lock()
    together(*(lambda name=name: _use(stack, name, one) for name in range(3)))  # type: ignore[misc]


def safe_stack() -> None:
    _used_by_three(lambda: None)


def safe_stack_under_a_lock() -> None:
    _used_by_three(threading.Lock)
