"""The tool registry and the toolsets `terminal` and `file`."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermes.interrupt import bind_interrupt
from hermes.tools import (
    RESULT_LENGTH_MAX,
    Tool,
    ToolRegistry,
    cut_result,
    expand_toolsets,
    get_tool_definitions,
    registry,
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def use(name: str, **arguments: Any) -> Any:
    return json.loads(registry.dispatch(name, arguments))


def tool(name: str, **options: Any) -> Tool:
    return Tool(name, "set", {}, lambda arguments, **context: "done", **options)


def test_a_registry() -> None:
    tools = ToolRegistry()
    tools.register(tool("a"))
    tools.register(tool("b", check_fn=lambda: False))
    with pytest.raises(ValueError, match="there is a tool 'a' already"):
        tools.register(tool("a"))
    assert tools.dispatch("a", {}) == "done"
    with pytest.raises(KeyError):
        tools.dispatch("c", {})
    found = tools.get("a")
    assert found is not None
    assert found.name == "a"
    assert tools.get("c") is None
    assert [t.name for t in tools.of_toolsets(["set", "other"])] == ["a"]


def test_definitions_are_what_the_model_is_given() -> None:
    (definition,) = get_tool_definitions(["terminal"])
    assert definition["type"] == "function"
    function = definition["function"]
    assert function["name"] == "terminal"
    assert function["parameters"]["required"] == ["command"]
    assert set(function["parameters"]["properties"]) == {"command", "timeout"}
    assert len(get_tool_definitions()) == 6
    assert get_tool_definitions(["all"], ["*"]) == []
    assert expand_toolsets(["file", "all", "web"]) == ["file", "terminal", "delegation", "web"]


def test_long_results_are_cut() -> None:
    assert cut_result("x" * RESULT_LENGTH_MAX) == "x" * RESULT_LENGTH_MAX
    cut = cut_result("x" * (RESULT_LENGTH_MAX + 5))
    assert cut.endswith("x\n[5 more characters cut]")


def test_a_command(tmp_path: Path) -> None:
    assert use("terminal", command="echo out; echo err >&2; exit 3") == {
        "output": "out\nerr\n",
        "exit_code": 3,
    }
    assert use("terminal", command="pwd")["output"].strip() == str(tmp_path)
    # Nothing to read: a command that asks would wait for ever.
    assert use("terminal", command="cat")["exit_code"] == 0
    assert use("terminal", command="printf '\\377'")["output"] == "\ufffd"


def test_a_command_that_takes_too_long() -> None:
    began = time.monotonic()
    answer = use("terminal", command="echo begun; sleep 60", timeout=0.3)
    assert answer == {"output": "begun\n", "exit_code": 124, "error": "timed out after 0.3 s"}
    assert time.monotonic() - began < 20


def test_a_command_that_leaves_a_child_behind() -> None:
    began = time.monotonic()
    answer = use("terminal", command="sleep 60 & echo $!")
    os.kill(int(answer["output"]), signal.SIGKILL)
    assert answer["exit_code"] == 0
    assert time.monotonic() - began < 50


def test_an_interrupt_ends_the_whole_process_group(tmp_path: Path) -> None:
    flag = threading.Event()
    answers: list[Any] = []

    def work() -> None:
        with bind_interrupt(flag):
            answers.append(use("terminal", command="sleep 60 & echo $! > pid; wait"))

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    flag.set()
    thread.join(20)
    assert answers == [{"output": "", "exit_code": 130, "error": "interrupted"}]
    pid = int((tmp_path / "pid").read_text())
    while is_running(pid):
        assert time.monotonic() < deadline, "the command's child goes on"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    # One that ended and that nobody has waited for yet is as good as gone.
    return state not in "ZX"


def test_files(tmp_path: Path) -> None:
    text = "one ä\ntwo\n"
    assert use("write_file", path="deep/er/a.txt", content=text)["written"] == 10
    assert use("read_file", path="deep/er/a.txt") == {"content": text, "truncated": False}
    use("write_file", path="b.md", content="two too\n")
    assert use("list_files") == {"entries": ["b.md", "deep/"]}
    assert use("list_files", path="deep/er") == {"entries": ["a.txt"]}
    matches = use("search_files", text="two")["matches"]
    assert matches == ["b.md:1: two too", "deep/er/a.txt:2: two"]
    assert use("search_files", text="two", path="deep", glob="*.txt")["matches"] == [
        "deep/er/a.txt:2: two"
    ]


def test_a_large_file_is_cut(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (600 * 1024))
    answer = use("read_file", path="large")
    assert (len(answer["content"]), answer["truncated"]) == (512 * 1024, True)


def test_what_a_tool_raises_is_left_to_the_agent() -> None:
    with pytest.raises(FileNotFoundError):
        use("read_file", path="missing")
    with pytest.raises(KeyError):
        use("write_file", path="a")
