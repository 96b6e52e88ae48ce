"""What the engine has to know of an SQL statement, from its first words."""

from __future__ import annotations

import functools
import re
import sqlite3
from typing import NamedTuple

from stress.engine.locks import operation
from stress.engine.sqlite_waits import ALWAYS, JOURNAL, UNLESS_READING
from stress.site import Site

_SPACE = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*"
_WORD = re.compile(_SPACE + r"([A-Za-z]*)", re.DOTALL)
_PRAGMA = re.compile(
    _SPACE + r"PRAGMA\s+(?:\w+\s*\.\s*)?(\w+)\s*(?:[=(]\s*['\"]?([-+]?\w+))?",
    re.DOTALL | re.IGNORECASE,
)
_LETS_GO = frozenset({"COMMIT", "END", "ROLLBACK", "RELEASE"})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})
_SITES_MAX = 1_000


class Statement(NamedTuple):
    """One statement. `ends` says that a transaction may be over after it."""

    site: Site
    word: str
    patience: int
    ends: bool
    attaches: bool
    #: Whether it is `PRAGMA busy_timeout`, and the milliseconds that it sets.
    is_timeout: bool = False
    timeout_ms: int | None = None


@functools.lru_cache(_SITES_MAX)
def statement_of(sql: str) -> Statement:
    """What the text of a statement says."""
    found = _WORD.match(sql)
    word = found[1].upper() if found else ""
    pragma = _PRAGMA.match(sql) if word == "PRAGMA" else None
    name = pragma[1].lower() if pragma else ""
    ends = word in _LETS_GO
    return Statement(
        site=site_of("execute", word),
        word=word,
        patience=ALWAYS if ends else JOURNAL if name == "journal_mode" else UNLESS_READING,
        ends=ends,
        attaches=word in ("ATTACH", "DETACH"),
        is_timeout=name == "busy_timeout",
        timeout_ms=_number(pragma[2]) if pragma and pragma[2] is not None else None,
    )


@functools.lru_cache(_SITES_MAX)
def site_of(kind: str, name: str) -> Site:
    """The site of this kind of operation on this; one for all connections."""
    return operation(kind, name)


def without_transaction(sql: str) -> str:
    """The statement so that the module `sqlite3` does not open a transaction for it.

    It does so where a statement begins with a word that writes. A name for a query that nobody
    asks may stand before each of them.
    """
    if statement_of(sql).word not in _WRITES:
        return sql
    return f"WITH _unasked AS (SELECT 0) {sql}"


def split(script: str) -> list[str]:
    """The statements of a script."""
    found, pending = [], ""
    for part in re.split(r"(?<=;)", script):
        pending += part
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    if pending.strip():
        found.append(pending)
    return found


def _number(text: str) -> int:
    """As SQLite reads it."""
    found = re.match(r"[-+]?\d+", text)
    return max(int(found[0]), 0) if found else 0
