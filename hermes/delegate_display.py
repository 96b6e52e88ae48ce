"""What is shown of children while they work, and what is told of their tools afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from hermes.tools import registry

log = logging.getLogger(__name__)

GOAL_LENGTH = 40
PROGRESS_BATCH = 5
ERROR_WORDS_WITHIN = 80


def _build_child_progress_callback(
    task_index: int, parent_agent: Any, task_count: int = 1
) -> Callable[..., None] | None:
    """What a child reports its steps to; None where nobody would see them.

    `callback(name, preview=None, arguments=None)`; `callback._flush()` sends what is left.
    """
    spinner = getattr(parent_agent, "_delegate_spinner", None)
    relay = getattr(parent_agent, "tool_progress_callback", None)
    if spinner is None and relay is None:
        return None
    prefix = f"[{task_index + 1}] " if task_count > 1 else ""
    batch: list[str] = []

    def show(line: str) -> None:
        if spinner is not None:
            try:
                spinner.print_above(line)
            except Exception:
                log.debug("a progress line was not shown", exc_info=True)

    def flush() -> None:
        names, batch[:] = list(batch), []
        if names and relay is not None:
            try:
                relay("subagent_progress", f"🔀 {prefix}{', '.join(names)}", None)
            except Exception:
                log.debug("progress was not relayed", exc_info=True)

    def callback(name: str, preview: str | None = None, arguments: Any = None) -> None:
        if name == "_thinking":
            show(f' {prefix}├─ 💭 "{(preview or "")[:55]}"')
            return
        tool = registry.get(name)
        said = f'  "{preview[:35]}"' if preview else ""
        show(f" {prefix}├─ {tool.emoji if tool else '🔧'} {name}{said}")
        batch.append(name)
        if len(batch) >= PROGRESS_BATCH:
            flush()

    callback._flush = flush  # type: ignore[attr-defined]
    return callback


def announce(
    parent: Any,
    goal: str,
    index: int,
    count: int,
    entry: Mapping[str, Any],
    pending: Collection[object],
) -> None:
    """Show that a child ended: above the spinner, or as a line where there is none."""
    mark = "✓" if entry["status"] == "completed" else "✗"
    first = " ".join(goal.split())[:GOAL_LENGTH]
    line = f"{mark} [{index + 1}/{count}] {first}  ({entry['duration_seconds']}s)"
    spinner = parent._delegate_spinner
    if spinner is not None:
        spinner.print_above(line)
        if pending:
            spinner.update_text(f"🔀 {len(pending)} task(s) remaining")
    elif not parent.quiet_mode:
        print(f"  {line}")


def tool_trace(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One item per tool call, in order, with the size and status of its result."""
    trace: list[dict[str, Any]] = []
    by_id: dict[str, dict[str, Any]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            item = {"tool": function["name"], "args_bytes": len(function["arguments"].encode())}
            trace.append(item)
            by_id[call["id"]] = item
        if message.get("role") == "tool" and trace:
            content = str(message.get("content") or "")
            item = by_id.get(str(message.get("tool_call_id")), trace[-1])
            item["result_bytes"] = len(content.encode())
            failed = "error" in content[:ERROR_WORDS_WITHIN].lower()
            item["status"] = "error" if failed else "ok"
    return trace
