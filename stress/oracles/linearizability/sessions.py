"""The model of SessionDB: sessions, their messages and counters, titles, and totals.

Calls are recorded under the names and with the arguments that SessionDB has. A history begins with
an empty database: what makes its first sessions is recorded too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from stress.errors import InvalidArgument
from stress.finding import Verdict, Violation
from stress.oracles.history import Call
from stress.oracles.linearizability.checker import Result, check, conclude, violation
from stress.oracles.linearizability.model import Model, agrees, refuses, verb
from stress.oracles.linearizability.search import Limits
from stress.oracles.linearizability.session_log import session_log
from stress.oracles.linearizability.session_rows import Counters, Message, compact, tool_count
from stress.oracles.linearizability.titles import TITLES, titles_history

_INTEGRITY = "IntegrityError"
_OF_A_SESSION = frozenset(
    {
        "append_message", "clear_messages", "create_session", "delete_session", "end_session",
        "export_session", "get_messages", "get_session", "message_count", "update_token_counts",
    }
)  # fmt: skip
_READS = frozenset({"export_session", "get_messages", "get_session", "message_count"})
_TOTALS = frozenset({"message_count", "session_count"})
_CHANGES = frozenset({"append_message", "clear_messages", "create_session", "delete_session"})


class Session(NamedTuple):
    """The state of one session. `last` is the largest row id that was given so far."""

    exists: bool = False
    messages: tuple[Message, ...] = ()
    counters: Counters = Counters()
    last: int = 0


def _session(state: Session, call: Call) -> Iterable[Session]:
    match verb(call):
        case "create_session":
            if state.exists:
                return (state,) if refuses(call, _INTEGRITY) else ()
            after = Session(exists=True, last=state.last)
            return (after,) if agrees(call, call.arguments["session_id"]) else ()
        case "append_message":
            return _append(state, call)
        case "delete_session":
            if refuses(call, _INTEGRITY) and not call.pending:
                return (state,)  # Another session names it as its parent.
            return (Session(last=state.last),) if agrees(call, state.exists) else ()
        case "message_count":
            return (state,) if agrees(call, len(state.messages)) else ()
        case "get_session":
            return (state,) if agrees(call, state.counters if state.exists else None) else ()
        case "get_messages":
            return (state,) if call.pending or _are(call.result, state.messages) else ()
        case "export_session":
            return (state,) if call.pending or _is_export(call.result, state) else ()
    if not agrees(call, None):
        return ()
    return (_changed(state, call) if state.exists else state,)


def _changed(state: Session, call: Call) -> Session:
    counters = state.counters
    match verb(call):
        case "clear_messages":
            return state._replace(messages=(), counters=counters._replace(messages=0, tools=0))
        case "end_session":
            return state._replace(counters=counters._replace(ended=True))
        case _:
            given = call.arguments
            tokens = counters._replace(
                input=counters.input + given.get("input_tokens", 0),
                output=counters.output + given.get("output_tokens", 0),
            )
            return state._replace(counters=tokens)


def _append(state: Session, call: Call) -> Iterable[Session]:
    if not state.exists:
        return (state,) if refuses(call, _INTEGRITY) else ()
    given = call.arguments
    row = 0 if call.pending else call.result
    if call.error or (not call.pending and not (isinstance(row, int) and row > state.last)):
        return ()
    message = Message(row, given["role"], given.get("content"))
    counters = state.counters._replace(
        messages=state.counters.messages + 1,
        tools=state.counters.tools + tool_count(given),
    )
    return (Session(True, (*state.messages, message), counters, max(state.last, row)),)


def _are(found: Sequence[Message], messages: Sequence[Message]) -> bool:
    """Whether these are the messages; the row id of one that was never answered is not known."""
    return len(found) == len(messages) and all(
        (row.role, row.content) == (known.role, known.content) and known.id in (0, row.id)
        for row, known in zip(found, messages, strict=True)
    )


def _is_export(found: Any, state: Session) -> bool:
    if found is None or not state.exists:
        return found is None and not state.exists
    counters, messages = found
    return bool(counters == state.counters) and _are(messages, state.messages)


SESSIONS: Model[Session] = Model(
    "SessionDB session",
    Session(),
    _session,
    partition=lambda call: call.arguments["session_id"],
    errors=frozenset({_INTEGRITY}),
    reads=_READS,
    shortcut=session_log,
)

Counts = frozenset[tuple[str, int]]


def _totals(state: Counts, call: Call) -> Iterable[Counts]:
    """How many sessions there are, and how many messages in all."""
    name = verb(call)
    if name == "session_count":
        return (state,) if agrees(call, len(state)) else ()
    if name == "message_count":
        return (state,) if agrees(call, sum(count for _, count in state)) else ()
    session = call.arguments["session_id"]
    known = next((pair for pair in state if pair[0] == session), None)
    others = state - {known} if known else state
    match name:
        case "create_session":
            if known:
                return (state,) if refuses(call, _INTEGRITY) else ()
            return (others | {(session, 0)},) if not call.error or call.pending else ()
        case "delete_session":
            if refuses(call, _INTEGRITY) and not call.pending:
                return (state,)
            return (others,) if agrees(call, known is not None) else ()
        case "append_message":
            if known is None:
                return (state,) if refuses(call, _INTEGRITY) else ()
            after = others | {(session, known[1] + 1)}
            return (after,) if not call.error or call.pending else ()
    after = others | {(session, 0)} if known else state
    return (after,) if agrees(call, None) else ()


TOTALS: Model[Counts] = Model(
    "SessionDB totals",
    frozenset(),
    _totals,
    errors=frozenset({_INTEGRITY}),
    reads=_TOTALS,
)


def _parts(history: Sequence[Call]) -> list[tuple[Model[Any], list[Call]]]:
    """What is judged by which model."""
    of_a_session = [
        compact(call) for call in history if verb(call) in _OF_A_SESSION and not _is_total(call)
    ]
    for call in of_a_session:
        if call.arguments.get("session_id") is None:
            raise InvalidArgument(
                f"call {call.step} of {call.actor} ({call.name}) has no session_id; record the "
                "methods of a SessionDB, with its names for the arguments"
            )
    totals = [call for call in history if _is_total(call)]
    if totals:
        changes = [call for call in history if verb(call) in _CHANGES]
        totals = sorted([*totals, *changes], key=lambda call: call.began_ns)
    return [(SESSIONS, of_a_session), (TITLES, titles_history(history)), (TOTALS, totals)]


def _is_total(call: Call) -> bool:
    # Of what has one source the model knows nothing.
    return verb(call) in _TOTALS and all(value is None for value in call.arguments.values())


def check_session_db(calls: Iterable[Call], limits: Limits | None = None) -> Result:
    """Whether a history of SessionDB calls is linearizable, as far as is looked at.

    Each session is judged by itself; titles, which are unique across sessions, together; and the
    totals of messages and sessions where somebody asked for them. A call that touches two of these
    (a delete, an export) is looked at in each: what is violated there is violated; HOLDS says that
    each of them is linearizable, not that the same order explains them all.

    Calls of other methods that only read are not looked at. UNKNOWN also where sessions were
    pruned: nobody knows which. Raises InvalidArgument where a call has no `session_id`.
    """
    history = list(calls)
    if any(verb(call) == "prune_sessions" for call in history):
        return Result(Verdict.UNKNOWN, "prune_sessions does not say which sessions it deletes")
    results = []
    parts = _parts(history)
    for model, part in parts:
        result = check(part, model, limits)
        if result.verdict is Verdict.VIOLATED:
            return result
        results.append(result)
    bounds = [one.reason for one in results if one.limited]
    looked_at = [call for _, part in parts for call in part]
    verdict, reason = conclude(looked_at, bounds, "SessionDB")
    return Result(
        verdict,
        reason,
        tuple(one for result in results for one in result.linearizations),
        None,
        sum(result.states for result in results),
        max((result.memo for result in results), default=0),
        bool(bounds),
    )


def check_sessions_linearizable(
    calls: Iterable[Call], limits: Limits | None = None
) -> Iterator[Violation]:
    """The oracle of `check_session_db`; the place is `SessionDB.` and the method."""
    result = check_session_db(calls, limits)
    if result.counterexample is not None:
        found = violation("SessionDB", result.counterexample)
        yield replace(found, place=f"SessionDB.{verb(result.counterexample.misfit)}")
