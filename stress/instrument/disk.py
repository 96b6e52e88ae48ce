"""Rewritten functions on disk, one file per module; a cache, so it may be deleted at any time."""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

#: A file that has grown past this many functions starts again.
_ENTRIES_MAX = 4000
_DIGEST_BYTES = 32

Entries = dict[bytes, Any]


def key_of(code: CodeType, shared: frozenset[str]) -> bytes | None:
    """What the rewritten form of `code` depends on; None for code that no file can hold."""
    try:
        # Version 0 has no references, which would depend on what else is alive.
        raw = marshal.dumps(code, 0)
    except ValueError:
        return None
    names = ",".join(sorted(shared)).encode()
    return hashlib.sha256(b"%d:%b%b" % (len(names), names, raw)).digest()


def load(module: str) -> Entries:
    """What is kept of a module; nothing if there is no whole file."""
    try:
        raw = _path(module).read_bytes()
        digest, payload = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return {}
        entries: Entries = marshal.loads(payload)
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return entries


def save(module: str, new: Entries) -> None:
    """Add to what is kept of a module. Without a place to write nothing is kept, and all goes on.

    Of two that write at once one may lose what it added; the file is always one of theirs, whole.
    """
    entries = load(module)
    if len(entries) + len(new) > _ENTRIES_MAX:
        entries = {}
    try:
        payload = marshal.dumps(entries | new)
        path = _path(module)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
    except (OSError, ValueError):
        return


def _path(module: str) -> Path:
    readable = "".join(c if c.isalnum() or c in "._" else "-" for c in module)[-80:]
    name = f"{readable}-{hashlib.sha256(module.encode()).hexdigest()[:12]}"
    return directory() / _version() / name


def directory() -> Path:
    """STRESS_CACHE_DIR, or the user's cache directory."""
    given = os.environ.get("STRESS_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "hermes-stress"


@lru_cache(maxsize=1)
def _version() -> str:
    """This Python, and this very room: a changed rewriter never meets an old template."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + sys.hexversion.to_bytes(8, "big"))
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"
