"""Oracles of delegation: results, registration, where children are built, budgets, interrupts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stress.finding import FindingKind, Violation
from stress.oracles.history import Call


@dataclass(frozen=True, slots=True)
class Built:
    """An agent was constructed: which, whose child (empty for none), on which thread, when."""

    session: str
    parent: str
    thread: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class ModelCall:
    """An agent began a request to the model."""

    session: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a completed child said according to its script, and what the database holds."""

    session: str
    expected: tuple[str, ...]
    stored: tuple[str, ...]


def _violation(oracle: str, place: str, message: str, **details: object) -> Violation:
    return Violation(FindingKind.INVARIANT, oracle, place, message, details)


def check_results(calls: Iterable[Call]) -> Iterator[Violation]:
    """One result per task, in task order, each with the status and summary its script implies.

    A batch call has `tasks` in its arguments, each with the expected `status` (several, joined by
    a bar, where either is true) and `summary`; its result holds `results` and `left`, the number
    of children still registered when the batch had returned.
    """
    for call in calls:
        if call.name != "delegation.batch" or call.error:
            continue
        tasks: Sequence[Mapping[str, Any]] = call.arguments["tasks"]
        results: Sequence[Mapping[str, Any]] = call.result["results"]
        order = [entry.get("task_index") for entry in results]
        if order != list(range(len(tasks))):
            yield _violation(
                "result_order",
                "delegate_task: results",
                f"{len(tasks)} tasks gave results for task_index {order}",
                step=call.step,
            )
            continue
        for task, entry in zip(tasks, results, strict=True):
            expected = str(task["status"]).split("|")
            if entry.get("status") not in expected:
                yield _violation(
                    "result_status",
                    f"_run_single_child: {entry.get('status')} instead of {task['status']}",
                    f"task {entry['task_index']} ended {entry.get('status')!r} "
                    f"({entry.get('error')}), its script implies {task['status']!r}",
                    step=call.step,
                )
            elif entry.get("status") == "completed" and entry.get("summary") != task["summary"]:
                yield _violation(
                    "result_summary",
                    "_run_single_child: summary",
                    f"task {entry['task_index']} says {entry.get('summary')!r}, its script "
                    f"{task['summary']!r}",
                    step=call.step,
                )


def check_registration(
    calls: Iterable[Call], left_at_end: Mapping[str, int]
) -> Iterator[Violation]:
    """`_active_children` is empty when a batch has returned, also after errors."""
    left = {call.actor: int(call.result["left"]) for call in calls if _is_batch(call)}
    for agent, count in [*left.items(), *left_at_end.items()]:
        if count:
            yield _violation(
                "active_children_empty",
                "AIAgent._active_children",
                f"{count} children of {agent} are still registered after its batch returned",
            )


def _is_batch(call: Call) -> bool:
    return call.name == "delegation.batch" and not call.error


def check_builders(built: Iterable[Built], caller_prefix: str) -> Iterator[Violation]:
    """Child agents are constructed on the thread that called for them, never on a worker."""
    for agent in built:
        if agent.parent and not agent.thread.startswith(caller_prefix):
            yield _violation(
                "built_on_caller",
                "AIAgent.__init__: built on a worker thread",
                f"child {agent.session!r} was built on thread {agent.thread!r}, not on the "
                "thread that called delegate_task",
            )


def check_transcripts(transcripts: Iterable[Transcript]) -> Iterator[Violation]:
    """The transcript of every completed child is stored once, whole and in order."""
    for transcript in transcripts:
        if transcript.expected == transcript.stored:
            continue
        missing = Counter(transcript.expected) - Counter(transcript.stored)
        extra = Counter(transcript.stored) - Counter(transcript.expected)
        said = "lost" if missing else "duplicated" if extra else "out of order"
        yield _violation(
            "transcript",
            f"AIAgent._flush_messages_to_session_db: {said}",
            f"session {transcript.session!r} should hold {list(transcript.expected)!r} and holds "
            f"{list(transcript.stored)!r}",
        )


def check_budget(name: str, total: int, attempts: int, granted: int) -> Iterator[Violation]:
    """A budget grants exactly as many iterations as it has, or as were asked for."""
    right = min(total, attempts)
    if granted != right:
        said = "overdrawn" if granted > right else "grants lost"
        yield _violation(
            "iteration_budget",
            f"IterationBudget.consume: {said}",
            f"{name} has {total}, was asked {attempts} times and granted {granted}",
        )


def check_interrupts_reach(calls: Iterable[Call]) -> Iterator[Violation]:
    """An interrupt reaches every child that was registered before and after the call.

    The result of `interrupts.send` holds the lists `before`, `after` and `received`.
    """
    for call in calls:
        if call.name != "interrupts.send" or call.error or not call.result:
            continue
        missed = (set(call.result["before"]) & set(call.result["after"])) - set(
            call.result["received"]
        )
        if missed:
            yield _violation(
                "interrupt_reaches",
                "AIAgent.interrupt: child missed",
                f"an interrupt missed {len(missed)} of {len(call.result['before'])} children "
                "that were registered before and after it",
                step=call.step,
            )


def check_interrupts_stop(
    calls: Sequence[Call], built: Sequence[Built], model_calls: Sequence[ModelCall]
) -> Iterator[Violation]:
    """After an interrupt returned, no child of that turn goes on, whenever it was built.

    The clock is not asked: a child may have passed its check just before, so one request may
    still begin; a second one shows that the interrupt was lost.
    """
    for send in calls:
        if send.name != "interrupts.send" or send.error or not send.result:
            continue
        for turn in calls:
            if not _interrupted_turn(turn, send):
                continue
            children = {
                agent.session
                for agent in built
                if agent.parent == send.result["parent"]
                and turn.began_ns <= agent.time_ns <= turn.ended_ns
            }
            later = Counter(
                model_call.session
                for model_call in model_calls
                if model_call.session in children and model_call.time_ns > send.ended_ns
            )
            for session, count in later.items():
                if count > 1:
                    yield _violation(
                        "interrupt_stops",
                        "AIAgent.run_conversation: went on after an interrupt",
                        f"child {session!r} began {count} requests after its parent had been "
                        "interrupted",
                        step=send.step,
                    )


def _interrupted_turn(turn: Call, send: Call) -> bool:
    return (
        turn.name == "interrupts.turn"
        and turn.arguments["parent"] == send.arguments["parent"]
        and turn.began_ns < send.began_ns
        and send.ended_ns < turn.ended_ns
    )
