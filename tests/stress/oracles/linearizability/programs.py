"""Programs that are explored: a counter that loses increments, and its twin."""

from __future__ import annotations

import threading

from stress.oracles.linearizability import History, assert_linearizable, counter, recorded


class Wrong:
    """It reads and writes without a lock."""

    def __init__(self) -> None:
        self.value = 0

    def increment(self) -> int:
        value = self.value + 1
        self.value = value
        return value

    def get(self) -> int:
        return self.value


class Locked(Wrong):
    """The twin."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def increment(self) -> int:
        with self._lock:
            return super().increment()

    def get(self) -> int:
        with self._lock:
            return self.value


def count_with(subject: Wrong) -> History:
    history = History()
    shared = recorded(subject, history)
    threads = [threading.Thread(target=shared.increment, name=f"t{n}") for n in range(2)]
    threads.append(threading.Thread(target=shared.get, name="reader"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_linearizable(history, counter())
    return history


def wrong() -> None:
    count_with(Wrong())


def locked() -> None:
    count_with(Locked())
