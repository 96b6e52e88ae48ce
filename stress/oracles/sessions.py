"""Oracles of the session store: what was acknowledged is there, once, in order, and counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stress.finding import FindingKind, Violation
from stress.oracles.history import Call


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row of `messages`."""

    id: int
    session: str
    role: str
    content: str
    tool_calls: int = 0


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A row of `sessions`."""

    id: str
    message_count: int
    tool_call_count: int
    input_tokens: int = 0
    title: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class StoreReading:
    """The database after the trial, read through a connection of its own.

    `hits` counts what full-text search finds for each token; `problems` are the lines of
    SQLite's own checks that are not `ok`; `open_transactions` names connections left inside one.
    """

    sessions: tuple[StoredSession, ...] = ()
    messages: tuple[StoredMessage, ...] = ()
    hits: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    open_transactions: tuple[str, ...] = ()


def _violation(oracle: str, place: str, message: str, **details: object) -> Violation:
    return Violation(FindingKind.INVARIANT, oracle, place, message, details)


def _acknowledged(calls: Iterable[Call], verb: str) -> list[Call]:
    return [call for call in calls if call.name == f"sessions.{verb}" and not call.error]


def _deleted(calls: Sequence[Call]) -> set[str]:
    # A delete that raised may have deleted: such a session is judged by nobody.
    return {str(c.arguments["session"]) for c in calls if c.name == "sessions.delete"}


def check_messages(calls: Sequence[Call], reading: StoreReading) -> Iterator[Violation]:
    """Every acknowledged message is stored once, under the id that was returned, in order."""
    gone = _deleted(calls)
    appended = [c for c in _acknowledged(calls, "append") if c.arguments["session"] not in gone]
    by_id = {message.id: message for message in reading.messages}
    row_of = {(m.session, m.content): m.id for m in reading.messages}
    copies = Counter((m.session, m.content) for m in reading.messages)
    ids: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for call in appended:
        session, content = str(call.arguments["session"]), str(call.arguments["content"])
        count = copies[session, content]
        if count != 1:
            said = "is not in the database" if count == 0 else f"is stored {count} times"
            yield _violation(
                "messages_once",
                "SessionDB.append_message: " + ("lost" if count == 0 else "duplicated"),
                f"message {content!r} of session {session!r} was acknowledged and {said}",
                step=call.step,
            )
        stored = by_id.get(call.result) if isinstance(call.result, int) else None
        if count == 1 and (stored is None or stored.content != content):
            holder = "no row" if stored is None else f"the row of {stored.content!r}"
            yield _violation(
                "message_id",
                "SessionDB.append_message: wrong row id",
                f"append of {content!r} returned id {call.result!r}, which is {holder}",
                step=call.step,
            )
        if count == 1:
            ids[session, call.actor].append((call.step, row_of[session, content]))
    for (session, actor), rows in ids.items():
        stored_order = [row for _, row in sorted(rows)]
        if stored_order != sorted(stored_order):
            yield _violation(
                "message_order",
                "SessionDB.append_message: order",
                f"messages of {actor} in session {session!r} are stored out of order",
            )


def check_counters(calls: Sequence[Call], reading: StoreReading) -> Iterator[Violation]:
    """A session's counters agree with its rows, and its tokens with what was added."""
    rows: Counter[str] = Counter(m.session for m in reading.messages)
    tools: Counter[str] = Counter()
    for message in reading.messages:
        tools[message.session] += message.tool_calls
    tokens: Counter[str] = Counter()
    for call in _acknowledged(calls, "tokens"):
        tokens[str(call.arguments["session"])] += int(call.arguments["input"])
    uncertain = {str(c.arguments.get("session")) for c in calls if c.error}
    known = {str(c.arguments.get("session")) for c in calls if c.family == "sessions"}
    for session in reading.sessions:
        expected = {
            "message_count": (session.message_count, rows[session.id]),
            "tool_call_count": (session.tool_call_count, tools[session.id]),
        }
        if session.id in known and session.id not in uncertain:
            expected["input_tokens"] = (session.input_tokens, tokens[session.id])
        for column, (stored, right) in expected.items():
            if stored != right:
                yield _violation(
                    "counters",
                    f"sessions.{column}",
                    f"session {session.id!r} says {column} {stored}, its rows say {right}",
                )


def check_search(calls: Sequence[Call], reading: StoreReading) -> Iterator[Violation]:
    """Full-text search finds each stored message once: at the end, and for its own writer."""
    gone = _deleted(calls)
    stored = Counter(m.content for m in reading.messages)
    appended = _acknowledged(calls, "append")
    for call in appended:
        content, token = str(call.arguments["content"]), str(call.arguments["token"])
        if call.arguments["session"] in gone or stored[content] != 1:
            continue
        if reading.hits.get(token, 0) != 1:
            yield _violation(
                "search_finds",
                "messages_fts",
                f"search for {token!r} finds {reading.hits.get(token, 0)} messages, expected 1",
            )
    for call in _acknowledged(calls, "search"):
        if call.arguments["session"] not in gone and call.result != 1:
            yield _violation(
                "search_finds",
                "SessionDB.search_messages: own write",
                f"{call.actor} searched {call.arguments['token']!r}, its own acknowledged "
                f"message, and found {call.result}",
                step=call.step,
            )


def check_reads(calls: Sequence[Call]) -> Iterator[Violation]:
    """A reader sees its own earlier messages, in order; an export agrees with itself."""
    written: dict[tuple[str, str], list[str]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: (call.actor, call.step)):
        session = str(call.arguments.get("session", ""))
        own = written[call.actor, session]
        if call.error:
            continue
        if call.name == "sessions.append":
            own.append(str(call.arguments["content"]))
        elif call.name == "sessions.read":
            seen = [content for content in call.result if content in set(own)]
            if seen != own:
                missing = [content for content in own if content not in seen]
                yield _violation(
                    "read_your_writes",
                    "SessionDB.get_messages",
                    f"{call.actor} read session {session!r} and misses or finds out of order "
                    f"its own messages {missing or own!r}",
                    step=call.step,
                )
        elif call.name == "sessions.export" and call.result["count"] != call.result["messages"]:
            yield _violation(
                "export_snapshot",
                "SessionDB.export_session",
                f"an export of {session!r} says {call.result['count']} messages and holds "
                f"{call.result['messages']}",
                step=call.step,
            )


def check_lifecycle(
    calls: Sequence[Call], reading: StoreReading, old: Iterable[str]
) -> Iterator[Violation]:
    """Ends, titles, deletes and prunes took effect exactly as acknowledged.

    `old` are the ended sessions beyond the age limit that pruning must remove, once.
    """
    sessions = {session.id: session for session in reading.sessions}
    gone = _deleted(calls)
    titles: dict[str, str] = {}
    for call in sorted(_acknowledged(calls, "title"), key=lambda call: call.step):
        if call.result:
            titles[str(call.arguments["session"])] = str(call.arguments["title"])
    for call in _acknowledged(calls, "create"):
        session = str(call.arguments["session"])
        if session not in gone and session not in sessions:
            yield _violation(
                "session_lost",
                "SessionDB.create_session",
                f"session {session!r} was created and is not in the database",
            )
    for call in _acknowledged(calls, "end"):
        stored = sessions.get(str(call.arguments["session"]))
        if stored is not None and not stored.ended:
            yield _violation(
                "session_end", "SessionDB.end_session", f"session {stored.id!r} was not ended"
            )
    for session, title in titles.items():
        if session in sessions and sessions[session].title != title:
            yield _violation(
                "title",
                "SessionDB.set_session_title",
                f"session {session!r} has title {sessions[session].title!r}, acknowledged was "
                f"{title!r}",
            )
    for call in _acknowledged(calls, "delete"):
        session = str(call.arguments["session"])
        if call.result is not True or session in sessions:
            yield _violation(
                "delete",
                "SessionDB.delete_session",
                f"delete of {session!r} returned {call.result!r}, and the session is "
                f"{'still' if session in sessions else 'not'} there",
            )
    yield from _check_prunes(calls, sessions, set(old))


def _check_prunes(
    calls: Sequence[Call], sessions: Mapping[str, StoredSession], old: set[str]
) -> Iterator[Violation]:
    prunes = _acknowledged(calls, "prune")
    if not prunes or any(c.error for c in calls if c.name == "sessions.prune"):
        return
    total = sum(int(call.result) for call in prunes)
    left = sorted(old & sessions.keys())
    if total != len(old) or left:
        yield _violation(
            "prune",
            "SessionDB.prune_sessions",
            f"{len(old)} old sessions: prunes report {total} deleted, {len(left)} are left",
        )


def check_integrity(reading: StoreReading) -> Iterator[Violation]:
    """SQLite's own checks pass, and no connection is left inside a transaction."""
    for problem in reading.problems:
        check = problem.partition(":")[0]
        yield _violation("integrity", f"database file: {check}", problem)
    for name in reading.open_transactions:
        yield _violation(
            "open_transaction",
            "SessionDB: transaction left open",
            f"connection {name} is still inside a transaction after its last operation",
        )
