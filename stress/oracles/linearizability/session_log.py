"""The shortcut for a session that is created, then appended to and read: near-linear time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from stress.oracles.history import Call
from stress.oracles.linearizability.log import Placed, order_of
from stress.oracles.linearizability.model import Decided, verb
from stress.oracles.linearizability.session_rows import Counters, Message, tool_count

_NONE = Decided(None)


def session_log(calls: Sequence[Call]) -> Decided | None:
    """Decide a history whose appends all have a place, which the ids of their rows tell.

    None, for the search to decide, where the session was not created before everything else, where
    something was cleared or deleted, and where the place of an append is open: it was not answered,
    and its message is in no read, or might be another's.
    """
    if not _is_log(calls):
        return None
    creates = [position for position, call in enumerate(calls) if verb(call) == "create_session"]
    ids = _ids(calls)
    if ids is None or len(set(ids.values())) < len(ids):
        return None if ids is None else _NONE
    rows = _rows(calls)
    known = set(ids.values())
    if any(row.id not in known for read in rows.values() for row in read):
        return _NONE
    return _decide(calls, creates[0], sorted(ids, key=lambda position: ids[position]), ids)


def _is_log(calls: Sequence[Call]) -> bool:
    shape = {"append_message", "get_messages", "message_count", "get_session", "export_session"}
    first = min(calls, key=lambda call: call.began_ns, default=None)
    if first is None or verb(first) != "create_session" or first.error or first.pending:
        return False
    others = [call for call in calls if call is not first]
    return first.result == first.arguments["session_id"] and all(
        verb(call) in shape and call.began_ns > first.ended_ns and (call.pending or not call.error)
        for call in others
    )


def _rows(calls: Sequence[Call]) -> dict[int, Sequence[Message]]:
    """The messages that each read saw, by its position. None of them: it saw no session."""
    found: dict[int, Sequence[Message]] = {}
    for position, call in enumerate(calls):
        if not call.pending and verb(call) == "get_messages":
            found[position] = call.result
        elif not call.pending and verb(call) == "export_session" and call.result is not None:
            found[position] = call.result[1]
    return found


def _ids(calls: Sequence[Call]) -> dict[int, int] | None:
    """The row id of each append that took effect, by position; None where one is open."""
    appends = [position for position, call in enumerate(calls) if verb(call) == "append_message"]
    ids = {p: calls[p].result for p in appends if not calls[p].pending}
    if not all(isinstance(row, int) and row > 0 for row in ids.values()):
        return None
    pending = [position for position in appends if calls[position].pending]
    if not pending:
        return ids
    answered = set(ids.values())
    unknown = {row for read in _rows(calls).values() for row in read if row.id not in answered}
    wanted = Counter((row.role, row.content) for row in unknown)
    offered = Counter(_content(calls[position]) for position in pending)
    counted = any(not c.pending and verb(c) in ("message_count", "get_session") for c in calls)
    for position in pending:
        content = _content(calls[position])
        if not wanted[content]:
            if counted:
                return None
        elif wanted[content] != 1 or offered[content] != 1:
            return None
    place = {(row.role, row.content): row.id for row in unknown}
    return ids | {p: place[_content(calls[p])] for p in pending if _content(calls[p]) in place}


def _content(call: Call) -> tuple[Any, Any]:
    return call.arguments["role"], call.arguments.get("content")


def _decide(
    calls: Sequence[Call], create: int, appends: Sequence[int], ids: dict[int, int]
) -> Decided:
    """The order of the appends is known: each read has to have seen a beginning of it."""
    messages = [Message(ids[p], *_content(calls[p])) for p in appends]
    tools = list(accumulate((tool_count(calls[p].arguments) for p in appends), initial=0))
    placed = [Placed(create, 0, is_append=True)]
    placed += [Placed(p, length, is_append=True) for length, p in enumerate(appends, 1)]
    for position, call in enumerate(calls):
        if call.pending or position == create or verb(call) == "append_message":
            continue
        length = _length_seen(call)
        if length is None or not 0 <= length <= len(messages):
            return _NONE
        if not _saw(call, messages[:length], Counters(length, tools[length])):
            return _NONE
        placed.append(Placed(position, length, is_append=False))
    return Decided(order_of(calls, placed))


def _length_seen(call: Call) -> int | None:
    match verb(call):
        case "message_count":
            return call.result if isinstance(call.result, int) else None
        case "get_messages":
            return len(call.result)
        case "get_session":
            return None if call.result is None else call.result.messages
        case _:
            return None if call.result is None else len(call.result[1])


def _saw(call: Call, messages: Sequence[Message], counters: Counters) -> bool:
    match verb(call):
        case "get_messages":
            return list(call.result) == messages
        case "get_session":
            return bool(call.result == counters)
        case "export_session":
            return bool(call.result[0] == counters) and list(call.result[1]) == messages
    return True
