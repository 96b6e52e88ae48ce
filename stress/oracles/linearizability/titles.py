"""The model of SessionDB's titles: one title has at most one session."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from stress.oracles.history import Call
from stress.oracles.linearizability.model import Model, agrees, refuses, verb

#: The sessions that there are, each with its title.
Titles = frozenset[tuple[str, str | None]]

_NUMBERED = re.compile(r"(.*?) #(\d+)\Z", re.DOTALL)
_CHANGES = frozenset({"set_session_title", "set_next_title_in_lineage"})
_READS = frozenset({"get_session_title", "get_session_by_title", "get_next_title_in_lineage"})
_WHOLE_ROWS = frozenset({"get_session", "export_session"})


def _titles(state: Titles, call: Call) -> Iterable[Titles]:
    name = verb(call)
    if name == "get_session_by_title":
        wanted = call.arguments["title"]
        holder = next((session for session, title in state if title == wanted), None)
        return (state,) if agrees(call, holder) else ()
    if name == "get_next_title_in_lineage":
        return (state,) if agrees(call, next_free(state, call.arguments["title"])) else ()
    session = call.arguments["session_id"]
    known = next((pair for pair in state if pair[0] == session), None)
    others = state - {known} if known else state
    match name:
        case "get_session_title":
            return (state,) if agrees(call, known[1] if known else None) else ()
        case "create_session":
            if known:
                return (state,) if refuses(call, "IntegrityError") else ()
            return (others | {(session, None)},) if agrees(call, session) else ()
        case "delete_session":
            if refuses(call, "IntegrityError") and not call.pending:
                return (state,)
            return (others,) if agrees(call, known is not None) else ()
        case "set_session_title":
            title = call.arguments["title"]
            if title is not None and any(title == held for _, held in others):
                return (state,) if refuses(call, "ValueError") else ()
            after = others | {(session, title)} if known else state
            return (after,) if agrees(call, known is not None) else ()
    free = next_free(state, call.arguments["title"])
    after = others | {(session, free)} if known else state
    return (after,) if agrees(call, free) else ()


def next_free(state: Titles, title: str) -> str:
    """The next free title of a lineage: `plan`, then `plan #2`, `plan #3`."""
    numbered = _NUMBERED.match(title)
    base = numbered[1] if numbered else title
    numbers = [0]
    for _, held in state:
        if held is not None and (held == base or held.startswith(f"{base} #")):
            match = _NUMBERED.match(held)
            numbers.append(max(int(match[2]) if match and match[1] == base else 1, 1))
    last = max(numbers)
    return f"{base} #{last + 1}" if last else base


TITLES: Model[Titles] = Model(
    "SessionDB titles",
    frozenset(),
    _titles,
    errors=frozenset({"IntegrityError", "ValueError"}),
    reads=_READS,
)


def titles_history(calls: Sequence[Call]) -> list[Call]:
    """What of a history concerns titles. A session of which no title is told can hold none, and
    what reads a whole row reads its title.
    """
    told = {
        str(call.arguments["session_id"])
        for call in calls
        if verb(call) in _CHANGES or verb(call) == "get_session_title"
    }
    found = []
    for call in calls:
        name = verb(call)
        if name in _CHANGES | _READS:
            found.append(_by_title(call) if name == "get_session_by_title" else call)
        elif str(call.arguments.get("session_id")) not in told:
            continue
        elif name in ("create_session", "delete_session"):
            found.append(call)
        elif name in _WHOLE_ROWS and call.result is not None:
            found.append(replace(call, name="get_session_title", result=call.result["title"]))
    return found


def _by_title(call: Call) -> Call:
    return call if call.result is None else replace(call, result=call.result["id"])
