"""delegate_task: what it takes, what it gives back, who builds, who runs, what is left."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermes import delegate_tool
from hermes.agent import AIAgent
from hermes.delegate_display import _build_child_progress_callback, tool_trace
from hermes.delegate_tool import (
    DELEGATE_TASK_SCHEMA,
    MAX_CONCURRENT_CHILDREN,
    _build_child_system_prompt,
    _resolve_delegation_credentials,
    _strip_blocked_tools,
    delegate_task,
)
from hermes.state import SessionDB
from hermes.tools import registry
from stress.workloads.script import Fault, Reply
from tests.hermes.conftest import MakeAgent
from tests.hermes.scripts import call, does, goal, run, says, tool_results

ECHO = call("terminal", command="echo hello")


def delegate(parent: AIAgent, *tasks: Any, **options: Any) -> list[dict[str, Any]]:
    answer = json.loads(delegate_task(tasks=list(tasks), parent_agent=parent, **options))
    assert answer["total_duration_seconds"] >= 0
    results: list[dict[str, Any]] = answer["results"]
    return results


def task(name: str, *replies: Reply, **options: Any) -> dict[str, Any]:
    return {"goal": goal(name, *replies), **options}


def test_one_goal_runs_inline(make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    run_conversation = AIAgent.run_conversation

    def noted(self: AIAgent, *args: Any, **kwargs: Any) -> Any:
        threads.append(threading.current_thread().name)
        return run_conversation(self, *args, **kwargs)

    monkeypatch.setattr(AIAgent, "run_conversation", noted)
    parent = make_agent()
    answer = json.loads(delegate_task(goal("look", does(ECHO), says("Seen.")), parent_agent=parent))
    (entry,) = answer["results"]
    assert entry == {
        "task_index": 0,
        "status": "completed",
        "summary": "Seen.",
        "api_calls": 2,
        "duration_seconds": entry["duration_seconds"],
        "model": "scripted",
        "exit_reason": "completed",
        "tokens": entry["tokens"],
        "tool_trace": [
            {
                "tool": "terminal",
                "args_bytes": len('{"command": "echo hello"}'),
                "result_bytes": entry["tool_trace"][0]["result_bytes"],
                "status": "ok",
            }
        ],
    }
    assert entry["tokens"]["input"] > 0
    assert entry["tokens"]["output"] > 0
    assert threads == [threading.current_thread().name]
    assert parent._active_children == []


def test_a_batch_runs_at_once_and_answers_in_order(make_agent: MakeAgent) -> None:
    # Each child waits for the files of the others.
    meet = "touch m{0}; until [ -e m0 -a -e m1 -a -e m2 ]; do sleep 0.01; done"
    results = delegate(
        make_agent(),
        *[
            task(
                f"task {n}",
                does(call("terminal", command=meet.format(n), timeout=20)),
                # The last task ends first.
                says(f"summary {n}", Fault("delay", 0.2 * (2 - n))),
            )
            for n in range(3)
        ],
    )
    assert [r["task_index"] for r in results] == [0, 1, 2]
    assert [r["summary"] for r in results] == ["summary 0", "summary 1", "summary 2"]
    assert {r["status"] for r in results} == {"completed"}


@pytest.mark.parametrize(
    ("call_arguments", "words"),
    [
        ({}, "Provide either 'goal'"),
        ({"goal": "  "}, "Provide either 'goal'"),
        ({"tasks": []}, "Provide either 'goal'"),
        ({"tasks": [{"goal": "a"}, {"goal": " "}]}, "Task 1 is missing a 'goal'."),
        ({"tasks": [{"goal": "a"}, "b"]}, "Task 1 is missing a 'goal'."),
        ({"tasks": [{"goal": 5}]}, "Task 0 is missing a 'goal'."),
        ({"tasks": [{"goal": "a"}] * 4}, "There are 4 tasks; at most 3 are run at a time."),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    make_agent: MakeAgent, call_arguments: dict[str, Any], words: str
) -> None:
    parent = make_agent()
    answer = json.loads(delegate_task(**call_arguments, parent_agent=parent))
    assert list(answer) == ["error"]
    assert words in answer["error"]
    assert parent._active_children == []


def test_without_a_parent() -> None:
    assert json.loads(delegate_task("do it")) == {
        "error": "delegate_task requires a parent agent context."
    }


def test_a_child_of_a_child_cannot_delegate(make_agent: MakeAgent) -> None:
    parent = make_agent()
    parent._delegate_depth = 2
    answer = json.loads(delegate_task("do it", parent_agent=parent))
    assert answer == {"error": "Delegation depth limit reached (2)."}


def test_tasks_win_over_the_goal(make_agent: MakeAgent) -> None:
    parent = make_agent()
    answer = delegate_task(
        goal("ignored", says("no")), tasks=[task("taken", says("yes"))], parent_agent=parent
    )
    assert [r["summary"] for r in json.loads(answer)["results"]] == ["yes"]


def test_a_child_that_cannot_be_built_costs_its_own_task(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = make_agent()
    build = delegate_tool._build_child_agent

    def fail(index: int, *args: Any, **kwargs: Any) -> Any:
        if index == 1:
            raise RuntimeError("no more file descriptors")
        return build(index, *args, **kwargs)

    monkeypatch.setattr(delegate_tool, "_build_child_agent", fail)
    results = delegate(parent, *[task(f"t{n}", says(f"s{n}")) for n in range(3)])
    assert [r["status"] for r in results] == ["completed", "error", "completed"]
    assert results[1]["error"] == "RuntimeError: no more file descriptors"
    assert results[1]["summary"] is None
    assert parent._active_children == []


def test_a_child_that_raises_costs_its_own_task(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = make_agent()
    run_conversation = AIAgent.run_conversation

    def fail(self: AIAgent, user_message: str, **kwargs: Any) -> Any:
        if user_message.startswith("t0"):
            raise MemoryError("no memory for t0")
        return run_conversation(self, user_message, **kwargs)

    monkeypatch.setattr(AIAgent, "run_conversation", fail)
    results = delegate(parent, *[task(f"t{n}", says(f"s{n}")) for n in range(3)])
    assert [r["status"] for r in results] == ["error", "completed", "completed"]
    assert results[0]["error"] == "MemoryError: no memory for t0"
    assert parent._active_children == []


def test_a_failed_child_says_why(make_agent: MakeAgent) -> None:
    (entry,) = delegate(make_agent(), task("t", says("never", *[Fault("malformed")] * 30)))
    assert (entry["status"], entry["exit_reason"]) == ("failed", "error")
    assert "JSONDecodeError" in entry["error"]


def test_the_summary_at_the_limit_is_a_summary(make_agent: MakeAgent) -> None:
    (entry,) = delegate(
        make_agent(), task("t", does(ECHO), says("So far: hello.")), max_iterations=1
    )
    assert (entry["status"], entry["exit_reason"]) == ("completed", "max_iterations")
    assert entry["summary"] == "So far: hello."


def test_children_draw_from_the_budget_of_the_turn(make_agent: MakeAgent) -> None:
    agent = make_agent(max_iterations=6)
    tasks = [task(f"t{n}", does(ECHO), says(f"s{n}")) for n in range(2)]
    result = run(agent, does(call("delegate_task", tasks=tasks)), says("Done."))
    assert result["completed"]
    # Two requests of the parent and two of each child.
    assert agent.iteration_budget.used == 6


def test_children_are_built_on_the_thread_of_the_turn(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders: list[str] = []
    construct = AIAgent.__init__

    def noted(self: AIAgent, *args: Any, **kwargs: Any) -> None:
        builders.append(threading.current_thread().name)
        construct(self, *args, **kwargs)

    agent = make_agent()
    monkeypatch.setattr(AIAgent, "__init__", noted)
    calls = [
        call("delegate_task", tasks=[task(f"{letter}{n}", says(f"{letter}{n}")) for n in range(2)])
        for letter in "ab"
    ]
    result = run(agent, does(*calls), says("Done."))
    summaries = [
        [r["summary"] for r in json.loads(text)["results"]] for text in tool_results(result)
    ]
    assert summaries == [["a0", "a1"], ["b0", "b1"]]
    assert builders == [threading.current_thread().name] * 4
    assert agent._active_children == []


def test_children_are_sessions_of_their_parent_and_end(
    make_agent: MakeAgent, store: SessionDB
) -> None:
    parent = make_agent(platform="slack")
    delegate(parent, *[task(f"t{n}", does(ECHO), says(f"s{n}")) for n in range(3)])
    rows = [r for r in store.search_sessions() if r["parent_session_id"] == parent.session_id]
    assert len(rows) == 3
    for row in rows:
        assert row["source"] == "slack"
        assert row["end_reason"] == "delegation"
        assert row["ended_at"] >= row["started_at"]
        assert (row["message_count"], row["tool_call_count"]) == (4, 1)


def test_children_close_their_clients(make_agent: MakeAgent) -> None:
    parent = make_agent()
    children: list[Any] = []

    class Kept(list[Any]):
        def append(self, child: Any) -> None:
            children.append(child)
            super().append(child)

    parent._active_children = Kept()
    delegate(parent, *[task(f"t{n}", says(f"s{n}")) for n in range(3)])
    assert [child.client.is_closed() for child in children] == [True] * 3
    assert not parent.client.is_closed()


def test_a_stuck_child_is_left_behind(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegate_tool, "CHILD_TIMEOUT_S", 0.5)
    free = threading.Event()
    run_conversation = AIAgent.run_conversation

    def hold(self: AIAgent, user_message: str, **kwargs: Any) -> Any:
        if user_message.startswith("stuck"):
            free.wait(60)
        return run_conversation(self, user_message, **kwargs)

    monkeypatch.setattr(AIAgent, "run_conversation", hold)
    parent = make_agent()
    try:
        results = delegate(parent, task("stuck", says("never")), task("t1", says("s1")))
    finally:
        free.set()
    assert [r["status"] for r in results] == ["error", "completed"]
    assert results[0]["error"] == "The child did not end within 0.5 s."
    deadline = time.monotonic() + 20
    while parent._active_children:
        assert time.monotonic() < deadline, "the stuck child was never unregistered"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("asked", "owned"),
    [
        (["terminal"], {"terminal"}),
        (["terminal", "delegation", "memory"], {"terminal"}),
        (["all"], {"terminal", "read_file", "write_file", "list_files", "search_files"}),
    ],
)
def test_a_child_owns_no_blocked_tool(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch, asked: list[str], owned: set[str]
) -> None:
    seen: list[set[str]] = []
    run_conversation = AIAgent.run_conversation

    def noted(self: AIAgent, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.valid_tool_names)
        return run_conversation(self, *args, **kwargs)

    monkeypatch.setattr(AIAgent, "run_conversation", noted)
    delegate(make_agent(), task("t", says("s"), toolsets=asked))
    assert seen == [owned]


def test_stripping_keeps_the_order() -> None:
    assert _strip_blocked_tools(["file", "clarify", "delegation", "terminal"]) == [
        "file",
        "terminal",
    ]


def test_the_system_prompt() -> None:
    prompt = _build_child_system_prompt("Count the files.", "They are in src.")
    assert "YOUR TASK:\nCount the files." in prompt
    assert "CONTEXT:\nThey are in src." in prompt
    assert "CONTEXT" not in _build_child_system_prompt("Count the files.", "  ")


def test_the_schema() -> None:
    properties = DELEGATE_TASK_SCHEMA["parameters"]["properties"]
    assert set(properties) == {"goal", "context", "toolsets", "tasks", "max_iterations"}
    assert properties["tasks"]["maxItems"] == MAX_CONCURRENT_CHILDREN == 3
    assert properties["tasks"]["items"]["required"] == ["goal"]
    tool = registry.get("delegate_task")
    assert tool is not None
    assert (tool.toolset, tool.emoji, tool.check_fn()) == ("delegation", "🔀", True)


def test_the_tool_through_the_registry(make_agent: MakeAgent) -> None:
    arguments = {"goal": goal("t", says("s")), "unknown": 1}
    answer = json.loads(registry.dispatch("delegate_task", arguments, parent_agent=make_agent()))
    assert answer["results"][0]["summary"] == "s"


def test_credentials_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    nothing = {"model": None, "provider": None, "base_url": None, "api_key": None}
    assert _resolve_delegation_credentials({}, None) == nothing
    assert _resolve_delegation_credentials({"model": " m "}, None) == {**nothing, "model": "m"}
    with pytest.raises(ValueError, match=r"set delegation\.api_key in config\.yaml"):
        _resolve_delegation_credentials({"base_url": "https://x/v1"}, None)
    given = {"base_url": "https://x/v1", "api_key": "k"}
    assert _resolve_delegation_credentials(given, None) == {
        **nothing, **given, "provider": "custom",
    }  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "env")
    found = _resolve_delegation_credentials({"base_url": "https://x/v1"}, None)
    assert found["api_key"] == "env"


def test_settings_come_from_the_config_file(make_agent: MakeAgent, home: Path) -> None:
    (home / "config.yaml").write_text("delegation:\n  max_iterations: 1\n  model: small\n")
    parent = make_agent()
    (entry,) = delegate(parent, task("t", does(ECHO), says("short")))
    assert (entry["exit_reason"], entry["model"]) == ("max_iterations", "small")
    (home / "config.yaml").write_text("delegation: [\n")
    answer = json.loads(delegate_task("t", parent_agent=parent))
    assert "config.yaml line 2" in answer["error"]


class Display:
    """A parent's spinner and callback, as far as progress needs them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.relayed: list[str] = []
        self._delegate_spinner = self
        self.tool_progress_callback = lambda name, preview, arguments: self.relayed.append(preview)

    def print_above(self, line: str) -> None:
        self.lines.append(line)


def test_progress_lines_carry_the_number_of_the_child() -> None:
    display = Display()
    callback = _build_child_progress_callback(1, display, 3)
    assert callback is not None
    callback("_thinking", "x" * 80)
    for number in range(6):
        callback("terminal", f"echo {number} " + "y" * 80, {})
    assert display.lines[0] == f' [2] ├─ 💭 "{"x" * 55}"'
    assert display.lines[1] == f' [2] ├─ 💻 terminal  "{("echo 0 " + "y" * 80)[:35]}"'
    assert display.relayed == ["🔀 [2] " + ", ".join(["terminal"] * 5)]
    callback._flush()  # type: ignore[attr-defined]
    assert display.relayed[1:] == ["🔀 [2] terminal"]
    callback._flush()  # type: ignore[attr-defined]
    assert len(display.relayed) == 2


def test_progress_of_a_single_child_has_no_number() -> None:
    display = Display()
    callback = _build_child_progress_callback(0, display)
    assert callback is not None
    callback("unheard_of", None)
    assert display.lines == [" ├─ 🔧 unheard_of"]


def test_no_callback_where_nobody_looks() -> None:
    display = Display()
    display._delegate_spinner = display.tool_progress_callback = None  # type: ignore[assignment]
    assert _build_child_progress_callback(0, display) is None


def test_completion_lines(make_agent: MakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    parent = make_agent(quiet_mode=False)
    delegate(parent, task("first task", says("s0")), task("second", *[does(call("fly"))] * 3))
    lines = [line for line in capsys.readouterr().out.splitlines() if "/2]" in line]
    assert any(line.startswith("  ✓ [1/2] first task") for line in lines)
    assert any(line.startswith("  ✗ [2/2] second") for line in lines)


def test_the_tool_trace() -> None:
    def calls(*ids: str) -> dict[str, Any]:
        return {
            "role": "assistant",
            "tool_calls": [
                {"id": i, "function": {"name": f"t{i}", "arguments": "{}"}} for i in ids
            ],
        }

    def answer(id: str, content: str) -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": id, "content": content}

    trace = tool_trace(
        [calls("1", "2"), answer("2", "fine"), answer("1", "An ERROR came"), calls("3"),
         answer("?", "x" * 90 + "error")]
    )  # fmt: skip
    assert trace == [
        {"tool": "t1", "args_bytes": 2, "result_bytes": 13, "status": "error"},
        {"tool": "t2", "args_bytes": 2, "result_bytes": 4, "status": "ok"},
        {"tool": "t3", "args_bytes": 2, "result_bytes": 95, "status": "ok"},
    ]
