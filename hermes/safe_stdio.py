"""Standard streams that do not end an agent when their reader is gone."""

from __future__ import annotations

import sys
import threading
from typing import Any

_install_lock = threading.Lock()
_write_lock = threading.RLock()


class _SafeWriter:
    """Forwards to a stream and swallows what a broken pipe or a closed file raises.

    Writes are made one at a time: CPython's text streams lose characters when threads flush one
    at the same time (gh-118138, gh-119506).
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, text: str) -> int:
        """Write `text`; its length, also where nobody reads it."""
        try:
            with _write_lock:
                self._inner.write(text)
        except (OSError, ValueError):
            pass
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            with _write_lock:
                self._inner.flush()
        except (OSError, ValueError):
            pass

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return bool(self._inner.isatty())
        except (OSError, ValueError):
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _install_safe_stdio() -> None:
    """Wrap `sys.stdout` and `sys.stderr`, each once."""
    with _install_lock:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _SafeWriter):
                setattr(sys, name, _SafeWriter(stream))
