"""delegate_task: hand tasks to child agents that run at the same time.

In two phases: children are built on the caller's thread, one after the other; then they run, one
inline, several on a pool. An agent that is asked for several tools at once prepares its delegations
first, on its own thread, whichever thread runs them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from hermes.config import ConfigError, section
from hermes.delegate_display import _build_child_progress_callback, announce, tool_trace
from hermes.interrupt import is_interrupted
from hermes.tools import Tool, expand_toolsets, registry

log = logging.getLogger(__name__)

MAX_CONCURRENT_CHILDREN = 3
MAX_DEPTH = 2
DEFAULT_MAX_ITERATIONS = 50
DEFAULT_TOOLSETS = ("terminal", "file")
DELEGATE_BLOCKED_TOOLS = frozenset(
    {"delegate_task", "clarify", "memory", "send_message", "execute_code"}
)
BLOCKED_TOOLSETS = frozenset({"delegation", "clarify", "memory", "messaging", "code_execution"})
#: A child may run this long, and this long after its interrupt, in seconds.
CHILD_TIMEOUT_S = 600.0
INTERRUPT_GRACE_S = 10.0
POLL_S = 0.05

DELEGATE_TASK_SCHEMA: Mapping[str, Any] = {
    "description": (
        "Delegate work to child agents that run at the same time, each on its own conversation. "
        "Two modes: one task by `goal`, or up to three by `tasks`; one of them is needed. "
        "Children have no memory of this conversation: say all they need in goal and context. "
        "Only their summaries come back, always as an array of results."
    ),
    "parameters": {
        "type": "object",
        "required": [],
        "properties": {
            "goal": {"type": "string", "description": "What the one child is to do."},
            "context": {"type": "string", "description": "What it must know."},
            "toolsets": {"type": "array", "items": {"type": "string"}},
            "tasks": {
                "type": "array",
                "maxItems": MAX_CONCURRENT_CHILDREN,
                "items": {
                    "type": "object",
                    "required": ["goal"],
                    "properties": {
                        "goal": {"type": "string"},
                        "context": {"type": "string"},
                        "toolsets": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
            "max_iterations": {"type": "integer"},
        },
    },
}


def check_delegate_requirements() -> bool:
    """Delegation needs nothing."""
    return True


def delegate_task(
    goal: str | None = None,
    context: str | None = None,
    toolsets: Sequence[str] | None = None,
    tasks: Sequence[Mapping[str, Any]] | None = None,
    max_iterations: int | None = None,
    parent_agent: Any = None,
) -> str:
    """Build the children on this thread, run them, and return the JSON string of their results."""
    prepared = prepare_delegation(goal, context, toolsets, tasks, max_iterations, parent_agent)
    return prepared if isinstance(prepared, str) else prepared.run()


@dataclass(frozen=True)
class PreparedDelegation:
    """Children that are built and registered; `entries` holds those that could not be built."""

    parent: Any
    goals: tuple[str, ...]
    children: Mapping[int, Any]
    entries: Mapping[int, Mapping[str, Any]]
    began: float

    def run(self) -> str:
        """Run every child and return the JSON string. Runs once, on any thread."""
        results = dict(self.entries)
        if len(self.children) == 1:
            ((index, child),) = self.children.items()
            results[index] = _run_single_child(index, self.goals[index], child, self.parent)
        elif self.children:
            results.update(_run_batch(self))
        return json.dumps(
            {
                "results": [results[index] for index in sorted(results)],
                "total_duration_seconds": round(time.monotonic() - self.began, 2),
            },
            ensure_ascii=False,
        )


def prepare_delegation(
    goal: str | None = None,
    context: str | None = None,
    toolsets: Sequence[str] | None = None,
    tasks: Sequence[Mapping[str, Any]] | None = None,
    max_iterations: int | None = None,
    parent_agent: Any = None,
) -> PreparedDelegation | str:
    """Check the call and build its children on this thread; a JSON error string where it is wrong.

    A child that cannot be built becomes an entry with status "error"; the others are kept.
    """
    if parent_agent is None:
        return _error("delegate_task requires a parent agent context.")
    if getattr(parent_agent, "_delegate_depth", 0) >= MAX_DEPTH:
        return _error(f"Delegation depth limit reached ({MAX_DEPTH}).")
    wanted = _normalise(goal, context, toolsets, tasks)
    if isinstance(wanted, str):
        return _error(wanted)
    try:
        settings = section("delegation")
        credentials = _resolve_delegation_credentials(settings, parent_agent)
    except (ConfigError, ValueError) as error:
        return _error(str(error))
    iterations = max_iterations or settings.get("max_iterations") or DEFAULT_MAX_ITERATIONS
    children: dict[int, Any] = {}
    entries: dict[int, Mapping[str, Any]] = {}
    began = time.monotonic()
    for index, task in enumerate(wanted):
        try:
            children[index] = _build_child_agent(
                index,
                task["goal"],
                task.get("context"),
                task.get("toolsets") or toolsets,
                credentials["model"],
                int(iterations),
                parent_agent,
                task_count=len(wanted),
                override_provider=credentials["provider"],
                override_base_url=credentials["base_url"],
                override_api_key=credentials["api_key"],
            )
        except Exception as error:
            log.debug("child %d was not built", index, exc_info=True)
            entries[index] = _failed(index, f"{type(error).__name__}: {error}", began)
    goals = tuple(task["goal"] for task in wanted)
    return PreparedDelegation(parent_agent, goals, children, entries, began)


def _error(message: str) -> str:
    return json.dumps({"error": message}, ensure_ascii=False)


def _normalise(
    goal: str | None,
    context: str | None,
    toolsets: Sequence[str] | None,
    tasks: Sequence[Mapping[str, Any]] | None,
) -> list[dict[str, Any]] | str:
    """The tasks of a call, or what is wrong with it."""
    if isinstance(tasks, list | tuple) and tasks:
        if len(tasks) > MAX_CONCURRENT_CHILDREN:
            return (
                f"There are {len(tasks)} tasks; at most {MAX_CONCURRENT_CHILDREN} are run at a "
                "time. Delegate them in several calls."
            )
        wanted = [dict(task) if isinstance(task, Mapping) else {} for task in tasks]
    elif isinstance(goal, str) and goal.strip():
        wanted = [{"goal": goal, "context": context, "toolsets": toolsets}]
    else:
        return "Provide either 'goal' (one task) or 'tasks' (up to three)."
    for index, task in enumerate(wanted):
        if not isinstance(task.get("goal"), str) or not task["goal"].strip():
            return f"Task {index} is missing a 'goal'."
    return wanted


def _resolve_delegation_credentials(
    settings: Mapping[str, Any], parent_agent: Any
) -> dict[str, str | None]:
    """What children use instead of their parent's; None means the parent's own.

    Raises ValueError where a base URL is set and no key for it.
    """
    names = ("model", "provider", "base_url", "api_key")
    given = {name: str(settings.get(name) or "").strip() or None for name in names}
    if given["base_url"] and not given["api_key"]:
        given["api_key"] = os.environ.get("OPENAI_API_KEY") or None
        if not given["api_key"]:
            raise ValueError(
                "delegation.base_url is set and no key for it: set delegation.api_key in "
                "config.yaml, or OPENAI_API_KEY"
            )
    if given["base_url"] and not given["provider"]:
        given["provider"] = "custom"
    return given


def _strip_blocked_tools(toolsets: Sequence[str]) -> list[str]:
    """`toolsets` taken apart, in order, without those that a child may not own."""
    return [name for name in expand_toolsets(toolsets) if name not in BLOCKED_TOOLSETS]


def _build_child_system_prompt(goal: str, context: str | None) -> str:
    parts = [
        "You are a child agent that works on one delegated task, alone.",
        f"YOUR TASK:\n{goal}",
    ]
    if context and context.strip():
        parts.append(f"CONTEXT:\n{context}")
    parts.append(
        "When you are done, answer with a short summary: what you did, what you found, which "
        "files you touched, and any issue. Only this summary reaches the agent that asked."
    )
    return "\n\n".join(parts)


def _build_child_agent(
    task_index: int,
    goal: str,
    context: str | None,
    toolsets: Sequence[str] | None,
    model: str | None,
    max_iterations: int,
    parent_agent: Any,
    *,
    task_count: int = 1,
    override_provider: str | None = None,
    override_base_url: str | None = None,
    override_api_key: str | None = None,
) -> Any:
    """Construct a child and register it with its parent. Call it on the thread of the turn."""
    from hermes.agent import AIAgent

    wanted = toolsets or parent_agent.enabled_toolsets or DEFAULT_TOOLSETS
    child = AIAgent(
        override_base_url or parent_agent.base_url,
        override_api_key or parent_agent.api_key,
        override_provider or parent_agent.provider,
        model or parent_agent.model,
        max_iterations=max_iterations,
        max_tokens=parent_agent.max_tokens,
        reasoning_config=parent_agent.reasoning_config,
        prefill_messages=parent_agent.prefill_messages,
        enabled_toolsets=_strip_blocked_tools(wanted),
        quiet_mode=True,
        ephemeral_system_prompt=_build_child_system_prompt(goal, context),
        log_prefix=f"[subagent-{task_index}] ",
        platform=parent_agent.platform,
        session_db=parent_agent._session_db,
        parent_session_id=parent_agent.session_id,
        tool_progress_callback=_build_child_progress_callback(task_index, parent_agent, task_count),
        iteration_budget=parent_agent.iteration_budget,
        request_timeout_s=parent_agent._client_kwargs["timeout"],
    )
    child._delegate_depth = parent_agent._delegate_depth + 1
    with parent_agent._active_children_lock:
        parent_agent._active_children.append(child)
    # An interrupt set its flag before it copied the list: whoever came too late for the copy
    # sees the flag here.
    if parent_agent._interrupt_requested:
        child.interrupt(parent_agent._interrupt_message)
    return child


def _run_single_child(
    task_index: int, goal: str, child: Any = None, parent_agent: Any = None, **_kwargs: Any
) -> dict[str, Any]:
    """Run a built child to its end, unregister and close it, and return its entry."""
    began = time.monotonic()
    try:
        result = child.run_conversation(user_message=goal)
        callback = getattr(child, "tool_progress_callback", None)
        if callback is not None and hasattr(callback, "_flush"):
            callback._flush()
        return _entry(task_index, child, result, began)
    except Exception as error:
        log.debug("child %d failed", task_index, exc_info=True)
        return _failed(task_index, f"{type(error).__name__}: {error}", began)
    finally:
        _retire(child, parent_agent)


def _retire(child: Any, parent_agent: Any) -> None:
    """Unregister a child, end its session, close its client; each whatever the others do."""
    try:
        with parent_agent._active_children_lock:
            parent_agent._active_children.remove(child)
    except ValueError:
        log.debug("a child was not registered", exc_info=True)
    for release in (lambda: _end_session(child), child.close):
        try:
            release()
        except Exception:
            log.debug("a child was not released", exc_info=True)


def _end_session(child: Any) -> None:
    if child._session_db is not None:
        child._session_db.end_session(child.session_id, "delegation")


def _entry(task_index: int, child: Any, result: Mapping[str, Any], began: float) -> dict[str, Any]:
    summary = result.get("final_response") or ""
    if result.get("interrupted"):
        status = exit_reason = "interrupted"
    elif summary:
        status = "completed"
        exit_reason = "completed" if result.get("completed") else "max_iterations"
    else:
        status = "failed"
        exit_reason = "error" if result.get("error") else "max_iterations"
    entry = {
        "task_index": task_index,
        "status": status,
        "summary": summary,
        "api_calls": result.get("api_calls", 0),
        "duration_seconds": round(time.monotonic() - began, 2),
        "model": child.model if isinstance(child.model, str) else None,
        "exit_reason": exit_reason,
        "tokens": {
            "input": _number(child.session_prompt_tokens),
            "output": _number(child.session_completion_tokens),
        },
        "tool_trace": tool_trace(result.get("messages") or ()),
    }
    if status == "failed":
        entry["error"] = result.get("error") or "The child ended without a response."
    return entry


def _number(value: Any) -> int | float:
    return value if isinstance(value, int | float) else 0


def _failed(task_index: int, error: str, began: float, status: str = "error") -> dict[str, Any]:
    return {
        "task_index": task_index,
        "status": status,
        "summary": None,
        "error": error,
        "api_calls": 0,
        "duration_seconds": round(time.monotonic() - began, 2),
    }


def _run_batch(delegation: PreparedDelegation) -> dict[int, Mapping[str, Any]]:
    """Run several children at once; one that does not end in time is left behind, and said so."""
    parent, count = delegation.parent, len(delegation.goals)
    results: dict[int, Mapping[str, Any]] = {}
    pool = ThreadPoolExecutor(MAX_CONCURRENT_CHILDREN, thread_name_prefix="child")
    futures: dict[Future[dict[str, Any]], int] = {
        pool.submit(_run_single_child, index, delegation.goals[index], child, parent): index
        for index, child in delegation.children.items()
    }
    pending = set(futures)
    deadline = time.monotonic() + CHILD_TIMEOUT_S
    interrupted = False
    try:
        while pending:
            done, pending = wait(pending, POLL_S, return_when="FIRST_COMPLETED")
            for future in sorted(done, key=lambda future: futures[future]):
                index = futures[future]
                results[index] = future.result()
                announce(parent, delegation.goals[index], index, count, results[index], pending)
            if not interrupted and (parent._interrupt_requested or is_interrupted()):
                interrupted = True
                deadline = min(deadline, time.monotonic() + INTERRUPT_GRACE_S)
            if pending and time.monotonic() >= deadline:
                break
        for future in pending:
            index = futures[future]
            results[index] = _left_behind(delegation, index, interrupted)
    finally:
        pool.shutdown(wait=not pending, cancel_futures=True)
    return results


def _left_behind(
    delegation: PreparedDelegation, index: int, interrupted: bool
) -> Mapping[str, Any]:
    delegation.children[index].interrupt("timed out")
    if interrupted:
        error = f"The child did not stop within {INTERRUPT_GRACE_S:g} s of its interrupt."
        return _failed(index, error, delegation.began, "interrupted")
    return _failed(index, f"The child did not end within {CHILD_TIMEOUT_S:g} s.", delegation.began)


def _handle(arguments: Mapping[str, Any], **context: Any) -> str:
    known = ("goal", "context", "toolsets", "tasks", "max_iterations")
    values = {name: arguments[name] for name in known if name in arguments}
    return delegate_task(**values, parent_agent=context.get("parent_agent"))


registry.register(
    Tool(
        "delegate_task",
        "delegation",
        DELEGATE_TASK_SCHEMA,
        _handle,
        check_fn=check_delegate_requirements,
        emoji="🔀",
    )
)
