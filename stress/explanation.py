"""Why an interleaving fails: of each preemption what others did meanwhile, and of the last the two
operations that conflict.

The patterns are those of unserialisable accesses (Lu, Tucek, Qin, Zhou: "AVIO: detecting atomicity
violations via access interleaving invariants", ASPLOS 2006), of a place that was touched before,
by others meanwhile, and again after; and of one that is touched too early or too late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stress.conflicts import only_looks
from stress.events import Event

#: An attribute or global: object and name. Of a container the name is empty.
Variable = tuple[str, str]

_NO_STATE = frozenset({"begin", "start", "join", "sleep", "yield", "is alive", "time"})
_NAMED = frozenset({"read", "write", "delete"})
#: So many preemptions are looked at for who is to blame.
_LAST = 8
#: Of locks and whoever waits.
_TAKES, _FREES = frozenset({"acquire", "enter"}), frozenset({"release", "exit", "wait"})
_LOCKING = _TAKES | _FREES | {"notify", "notify all"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a preemption matters. `about` is what the task was about to do; `steps` are those of the
    two operations that conflict, in order, or none where no such two are seen. `rank` is lower for
    what says more."""

    task: int
    text: str
    steps: tuple[int, ...] = ()
    rank: int = 9
    about: str = ""


def variable_of(event: Event) -> Variable | None:
    """What an operation touches; None where that is nothing that others could see."""
    kind, name, subject = event.anchor.kind, event.anchor.name, event.subject
    if kind in _NO_STATE or not (name or subject):
        return None
    if kind in _NAMED:
        return subject, name
    return (subject, "") if subject else ("", name)


def only_reads(event: Event) -> bool:
    """Whether an operation changes nothing of what it touches."""
    return only_looks(event.anchor.kind, event.anchor.name)


def is_preempted(event: Event, following: Event | None) -> bool:
    """Whether the task of an event could have gone on, and another one did."""
    return (
        following is not None
        and following.task != event.task
        and following.preempted is not None
        and following.step == event.step + 1
    )


def until_end(trace: Sequence[Event], ends: object) -> Sequence[Event]:
    """The trace up to what went wrong: others may go on where an exception ended one task.

    `ends` says how tasks ended, as findings of controlled execution do.
    """
    if not isinstance(ends, Sequence) or len(ends) != 1:
        return trace
    end = ends[0]
    if not isinstance(end, Mapping) or not end.get("over"):
        return trace
    of_task = [number for number, event in enumerate(trace) if event.task == end.get("task")]
    return trace[: of_task[-1] + 1] if of_task else trace


def preemptions(trace: Sequence[Event]) -> list[int]:
    """The places in a trace of the events after which their task was preempted."""
    return [n for n, (one, next_) in enumerate(pairwise(trace)) if is_preempted(one, next_)]


def conflicting_pair(trace: Sequence[Event]) -> tuple[int, ...]:
    """The steps of two operations of different tasks, in order, that are to blame, as far as that
    is seen: those of the last preemption that has a reason, and else the last that conflict."""
    for place in reversed(preemptions(trace)[-_LAST:]):
        steps = reason_of(trace, place).steps
        if steps:
            return steps
    pair: tuple[int, ...] = ()
    #: Of each variable, the last event of each task, and the last that changed it.
    last: dict[Variable, dict[tuple[int, bool], Event]] = {}
    for event in trace:
        variable = variable_of(event)
        if variable is None or _synchronizes(event):
            continue
        known = last.setdefault(variable, {})
        others = [other for other in known.values() if _conflict(other, event)]
        if others:
            pair = max(other.step for other in others), event.step
        known[event.task, only_reads(event)] = event
    return pair


def _conflict(one: Event, other: Event) -> bool:
    return one.task != other.task and not (only_reads(one) and only_reads(other))


def reason_of(trace: Sequence[Event], number: int) -> Reason:
    """Why the preemption after the event at that place matters."""
    task = trace[number].task
    back = next((n for n in range(number + 1, len(trace)) if trace[n].task == task), len(trace))
    meanwhile = trace[number + 1 : back]
    before = [event for event in trace[: number + 1] if event.task == task]
    after = [event for event in trace[back:] if event.task == task]
    found = [
        reason
        for variable in dict.fromkeys(map(variable_of, meanwhile))
        if variable is not None
        for reason in _of_variable(
            variable, _on(before, variable), _on(meanwhile, variable), _on(after, variable)
        )
    ]
    found += _of_locks(before, meanwhile, after)
    anchor = trace[number + 1].preempted
    about = f"{anchor.kind} {anchor.name}".strip() if anchor is not None else ""
    return replace(min(found, key=lambda reason: (reason.rank, reason.steps)), about=about)


def _on(events: Sequence[Event], variable: Variable) -> list[Event]:
    return [
        event for event in events if variable_of(event) == variable and not _synchronizes(event)
    ]


def _of_variable(
    variable: Variable, before: list[Event], meanwhile: list[Event], after: list[Event]
) -> list[Reason]:
    """What a place has to do with it: what a task did with it before and after, and others did
    meanwhile."""
    name = variable[1] or variable[0]
    written = [event for event in meanwhile if not only_reads(event)]
    if not meanwhile or not (before or after):
        return []
    task = (before or after)[0].task
    last = before[-1] if before else None
    then = after[0] if after else None
    if last is not None and written:
        other = written[-1]
        told = f"what task {other.task} made of it meanwhile{_equal(other)}"
        if only_reads(last) and then is not None and not only_reads(then):
            # Only what is written as a whole takes the place of what was there.
            is_lost = then.anchor.kind in ("write", "write item")
            ends = f"{told} is lost" if is_lost else f"not by {told}"
            text = f"it then changes {name} by what it read before{_equal(last)}, and {ends}"
            return [Reason(task, text, (other.step, then.step), 0)]
        if then is not None and only_reads(then):
            text = f"it had {_did(last)} {name}{_equal(last)}, and now finds {told}"
            return [Reason(task, text, (other.step, then.step), 1)]
        if only_reads(last):
            text = f"it goes on with the {name} that it read{_equal(last)}, and not with {told}"
            return [Reason(task, text, (last.step, other.step), 2)]
    if last is not None and not only_reads(last):
        seen = meanwhile[0]
        text = f"task {seen.task} {_does(seen)} {name}{_equal(seen)} in the middle of what it does"
        rank = 3 if then is not None and not only_reads(then) else 4
        return [Reason(task, text, (last.step, seen.step), rank)]
    if then is not None and any(_conflict(event, then) for event in meanwhile):
        other = next(event for event in meanwhile if _conflict(event, then))
        text = f"task {other.task} {_does(other)} {name}{_equal(other)} before it {_does(then)} it"
        return [Reason(task, text, (other.step, then.step), 5)]
    return []


def _of_locks(
    before: Sequence[Event], meanwhile: Sequence[Event], after: Sequence[Event]
) -> list[Reason]:
    """What locks have to do with it, and at least who goes first."""
    task = before[0].task
    found: list[Reason] = []
    had, held = dict[str, Event](), dict[str, Event]()
    for event in before:
        if _takes(event):
            held[event.subject] = had[event.subject] = event
        elif event.anchor.kind in _FREES:
            held.pop(event.subject, None)
    taken = [event for event in meanwhile if _takes(event)]
    again = {event.subject: event for event in reversed(after) if _takes(event)}
    for other in taken:
        if held and other.subject not in held:
            locks = ", ".join(held)
            text = f"it holds {locks}, and task {other.task} takes {other.subject}"
            first = next(iter(held.values()))
            found.append(Reason(task, text, (first.step, other.step), 6))
        if other.subject in had and other.subject in again:
            text = f"between two times that it takes {other.subject}, task {other.task} does"
            found.append(Reason(task, text, (other.step, again[other.subject].step), 7))
    tasks = list(dict.fromkeys(event.task for event in meanwhile))
    names = f"tasks {', '.join(map(str, tasks))} go" if len(tasks) > 1 else f"task {tasks[0]} goes"
    return [*found, Reason(task, f"{names} first")]


def _takes(event: Event) -> bool:
    return event.anchor.kind in _TAKES and _synchronizes(event)


def _synchronizes(event: Event) -> bool:
    # To enter a redirection of output changes `sys`, and locks nothing.
    return event.anchor.kind in _LOCKING and not event.subject.startswith("module ")


def _equal(event: Event) -> str:
    return f" ({event.value})" if event.value else ""


def _did(event: Event) -> str:
    return "read" if only_reads(event) else "changed"


def _does(event: Event) -> str:
    return "reads" if only_reads(event) else "changes"
