"""Titles and full-text queries as people type them, made fit for the database. Pure functions."""

from __future__ import annotations

import re
import unicodedata

MAX_TITLE_LENGTH = 100

_SPACE_LIKE = "\t\n\r\x0b\x0c"
_NUMBERED = re.compile(r"(.*?) #(\d+)\Z", re.DOTALL)


def sanitize_title(title: str | None) -> str | None:
    """`title` without control, zero-width and bidirectional characters, spaces collapsed.

    None where nothing is left. Raises ValueError beyond MAX_TITLE_LENGTH characters.
    """
    if title is None:
        return None
    kept = "".join(
        " " if char in _SPACE_LIKE else char
        for char in title
        # Cc: control, Cf: zero-width and bidirectional marks, Cs: lone surrogates.
        if char in _SPACE_LIKE or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    collapsed = " ".join(kept.split())
    if len(collapsed) > MAX_TITLE_LENGTH:
        raise ValueError(
            f"the title has {len(collapsed)} characters; at most {MAX_TITLE_LENGTH} are kept"
        )
    return collapsed or None


def base_title(title: str) -> str:
    """`title` without its trailing number: `plan #3` is of the lineage `plan`."""
    numbered = _NUMBERED.match(title)
    return numbered[1] if numbered else title


def next_title(base: str, taken: list[str]) -> str:
    """The next free title of a lineage; the bare base counts as number 1."""
    if not taken:
        return base
    numbers = [1]
    for title in taken:
        numbered = _NUMBERED.match(title)
        if numbered and numbered[1] == base:
            numbers.append(int(numbered[2]))
    return f"{base} #{max(numbers) + 1}"


def sanitize_fts5_query(query: str) -> str:
    """`query` without what FTS5 would take for a broken expression; empty where nothing is left."""
    cleaned = re.sub(r'[+{}()"^\x00]', " ", query)
    cleaned = re.sub(r"\*+", "*", cleaned)
    cleaned = re.sub(r"(^|\s)\*", r"\1", cleaned)
    words = cleaned.split()
    while words and words[0].upper() in ("AND", "OR", "NOT"):
        words.pop(0)
    while words and words[-1].upper() in ("AND", "OR", "NOT"):
        words.pop()
    return " ".join(words)


def escape_like(text: str) -> str:
    """`text` as a literal in a LIKE pattern with the escape character backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
