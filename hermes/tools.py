"""The tool registry, and the toolsets `terminal` and `file`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermes.interrupt import is_interrupted

RESULT_LENGTH_MAX = 100_000
INTERRUPTED_CODE = 130
TERMINAL_TIMEOUT_S = 180.0
POLL_S = 0.02
FILE_BYTES_MAX = 512 * 1024
MATCHES_MAX = 200

#: Composite toolsets, by what they stand for.
COMPOSITES: Mapping[str, tuple[str, ...]] = {
    "all": ("terminal", "file", "delegation"),
    "*": ("terminal", "file", "delegation"),
}


@dataclass(frozen=True)
class Tool:
    """A tool. `handler(arguments, parent_agent=...)` gives a string, most often JSON."""

    name: str
    toolset: str
    schema: Mapping[str, Any]
    handler: Callable[..., str]
    check_fn: Callable[[], bool] = field(default=lambda: True)
    emoji: str = "🔧"

    def definition(self) -> dict[str, Any]:
        """The tool in the form that a model is given."""
        return {"type": "function", "function": {"name": self.name, **self.schema}}


class ToolRegistry:
    """Tools by name. Filled while modules are imported, only read afterwards."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def register(self, tool: Tool) -> None:
        """Add a tool. Raises ValueError where the name is taken."""
        if tool.name in self._tools:
            raise ValueError(f"there is a tool {tool.name!r} already")
        self._tools[tool.name] = tool

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return self._tools.get(name)

    def of_toolsets(self, toolsets: Iterable[str]) -> list[Tool]:
        """The usable tools of these toolsets, in the order of registration."""
        wanted = set(expand_toolsets(toolsets))
        return [t for t in self._tools.values() if t.toolset in wanted and t.check_fn()]

    def dispatch(self, name: str, arguments: Mapping[str, Any], **context: Any) -> str:
        """Run a tool. Raises KeyError for an unknown name; else whatever the handler raises."""
        return self._tools[name].handler(arguments, **context)


registry = ToolRegistry()


def expand_toolsets(toolsets: Iterable[str]) -> list[str]:
    """The toolsets with composites taken apart, each once, in order."""
    expanded = [part for name in toolsets for part in COMPOSITES.get(name, (name,))]
    return list(dict.fromkeys(expanded))


def get_tool_definitions(
    enabled_toolsets: Iterable[str] | None = None, disabled_toolsets: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Definitions of the enabled toolsets (all of them without a list) less the disabled ones."""
    enabled = expand_toolsets(enabled_toolsets if enabled_toolsets is not None else ("all",))
    disabled = set(expand_toolsets(disabled_toolsets or ()))
    wanted = [name for name in enabled if name not in disabled]
    return [tool.definition() for tool in registry.of_toolsets(wanted)]


def cut_result(text: str) -> str:
    """`text` within what a conversation can carry."""
    if len(text) <= RESULT_LENGTH_MAX:
        return text
    left = len(text) - RESULT_LENGTH_MAX
    return f"{text[:RESULT_LENGTH_MAX]}\n[{left} more characters cut]"


def _schema(description: str, required: list[str], **properties: str) -> dict[str, Any]:
    typed = {
        name: {"type": kind.partition(":")[0], "description": kind.partition(":")[2].strip()}
        for name, kind in properties.items()
    }
    return {
        "description": description,
        "parameters": {"type": "object", "properties": typed, "required": required},
    }


def terminal(arguments: Mapping[str, Any], **context: Any) -> str:
    """Run a shell command in a process group of its own; ended when the agent is interrupted."""
    timeout_s = float(arguments.get("timeout") or TERMINAL_TIMEOUT_S)
    # A file and not a pipe: a command's background children may hold a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            str(arguments["command"]),
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code, note = _wait(process, time.monotonic() + timeout_s, timeout_s)
        output.seek(0)
        text = output.read(4 * RESULT_LENGTH_MAX).decode(errors="replace")
    answer = {"output": cut_result(text), "exit_code": code}
    if note:
        answer["error"] = note
    return json.dumps(answer, ensure_ascii=False)


def _wait(process: subprocess.Popen[bytes], deadline: float, timeout_s: float) -> tuple[int, str]:
    while True:
        try:
            return process.wait(POLL_S), ""
        except subprocess.TimeoutExpired:
            pass
        if is_interrupted():
            _kill_group(process)
            return INTERRUPTED_CODE, "interrupted"
        if time.monotonic() >= deadline:
            _kill_group(process)
            return 124, f"timed out after {timeout_s:g} s"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read_file(arguments: Mapping[str, Any], **context: Any) -> str:
    """The text of a file."""
    path = Path(str(arguments["path"])).expanduser()
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    text = data[:FILE_BYTES_MAX].decode(errors="replace")
    return json.dumps(
        {"content": text, "truncated": len(data) > FILE_BYTES_MAX}, ensure_ascii=False
    )


def write_file(arguments: Mapping[str, Any], **context: Any) -> str:
    """Write a file, with the folders above it."""
    path = Path(str(arguments["path"])).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    count = path.write_text(str(arguments["content"]), encoding="utf-8")
    return json.dumps({"written": count, "path": str(path)}, ensure_ascii=False)


def list_files(arguments: Mapping[str, Any], **context: Any) -> str:
    """The entries of a folder, folders with a slash."""
    path = Path(str(arguments.get("path") or ".")).expanduser()
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
    return json.dumps({"entries": names}, ensure_ascii=False)


def search_files(arguments: Mapping[str, Any], **context: Any) -> str:
    """Lines that contain a text, in the files below a folder."""
    root = Path(str(arguments.get("path") or ".")).expanduser()
    wanted = str(arguments["text"])
    found: list[str] = []
    for path in sorted(root.rglob(str(arguments.get("glob") or "*"))):
        if is_interrupted() or len(found) >= MATCHES_MAX:
            break
        if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{path}:{n}: {line}" for n, line in enumerate(lines, 1) if wanted in line]
    return json.dumps({"matches": found[:MATCHES_MAX]}, ensure_ascii=False)


_BUILT_IN = (
    Tool(
        "terminal",
        "terminal",
        _schema(
            "Run a shell command and return its output and exit code.",
            ["command"],
            command="string: the command",
            timeout="number: seconds, 180 by default",
        ),
        terminal,
        emoji="💻",
    ),
    Tool(
        "read_file",
        "file",
        _schema("Read a text file.", ["path"], path="string: the file"),
        read_file,
        emoji="📖",
    ),
    Tool(
        "write_file",
        "file",
        _schema(
            "Write a text file, replacing it.",
            ["path", "content"],
            path="string: the file",
            content="string: its new text",
        ),
        write_file,
        emoji="✍️",
    ),
    Tool(
        "list_files",
        "file",
        _schema("List a folder.", [], path="string: the folder, by default this one"),
        list_files,
        emoji="📂",
    ),
    Tool(
        "search_files",
        "file",
        _schema(
            "Find lines that contain a text.",
            ["text"],
            text="string: what to find",
            path="string: the folder, by default this one",
            glob="string: which files, by default all",
        ),
        search_files,
        emoji="🔎",
    ),
)
for _tool in _BUILT_IN:
    registry.register(_tool)
