"""House rules that imports can break: no cycles, arrows point down, hermes stands alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Ground floor first. A module may import its own line and the lines below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "errors", "plan", "finding", "finding_format", "evidence", "settings", "schedule",
        "strategy", "site", "frame", "events", "statistics", "extras", "loading", "conflicts",
        "explanation", "living", "steps",
    ),
    ("trial",),
    ("judge", "finding_store", "report"),
    ("oracles", "strategies", "detect", "engine", "instrument", "reduction"),
    ("workloads", "mutants", "parallel", "telling", "observe"),
    ("program", "diagnosis"),
    ("controlled", "detection", "tally"),
    ("options", "reducer"),
    ("explorer",),
    ("api", "conformance", "exploration"),
    ("shrinking", "campaign", "gate"),
    ("cli", "pytest_plugin", "__main__"),
)  # fmt: skip
FLOOR = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def modules(package: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_typing_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(source: str, known: frozenset[str], everywhere: bool = False) -> set[str]:
    """Modules of ours that `source` imports: at module level, or everywhere in the file."""
    tree = ast.parse(source)
    pending: list[ast.AST] = list(ast.iter_child_nodes(tree))
    found: set[str] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt) and is_typing_only(node):
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in known else node.module)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if everywhere or not is_function:
            pending.extend(ast.iter_child_nodes(node))
    return found & known


def graph(everywhere: bool = False) -> dict[str, set[str]]:
    files = modules("hermes") | modules("stress")
    known = frozenset(files)
    return {
        name: imports(path.read_text(encoding="utf-8"), known, everywhere) - {name}
        for name, path in files.items()
    }


def find_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for target in sorted(edges[name]):
            if cycle := visit(target, [*path, name]):
                return cycle
        done.add(name)
        return None

    for start in sorted(edges):
        if cycle := visit(start, []):
            return cycle
    return None


def upward(edges: dict[str, set[str]]) -> list[str]:
    wrong = []
    for name, targets in sorted(edges.items()):
        for target in sorted(targets):
            if not (name.startswith("stress.") and target.startswith("stress.")):
                continue
            here, there = name.split(".")[1], target.split(".")[1]
            if FLOOR[there] > FLOOR[here]:
                wrong.append(f"{name} -> {target}")
    return wrong


def test_every_room_has_a_floor() -> None:
    rooms = {name.split(".")[1] for name in modules("stress") if "." in name}
    assert rooms <= FLOOR.keys(), f"give these a floor in LAYERS: {rooms - FLOOR.keys()}"


def test_no_import_cycle() -> None:
    assert find_cycle(graph()) is None


def test_arrows_point_down() -> None:
    assert upward(graph(everywhere=True)) == []


def test_hermes_stands_alone_and_few_rooms_know_it() -> None:
    edges = graph(everywhere=True)
    from_hermes = {n for n in edges if n.startswith("hermes")}
    assert not [n for n in from_hermes if any(t.startswith("stress") for t in edges[n])]
    knows = {
        n.split(".")[1]
        for n in edges
        if n.startswith("stress.") and any(t.startswith("hermes") for t in edges[n])
    }
    assert knows <= {"workloads", "mutants"}


def test_engine_and_strategies_do_not_know_each_other() -> None:
    edges = graph(everywhere=True)
    pairs = [("engine", "strategies"), ("strategies", "engine"), ("engine", "detect")]
    pairs += [("detect", "engine"), ("detect", "strategies"), ("strategies", "detect")]
    for here, there in pairs:
        rooms = {n: t for n, t in edges.items() if f"{n}.".startswith(f"stress.{here}.")}
        assert rooms
        assert not [
            n for n, t in rooms.items() if any(f"{x}.".startswith(f"stress.{there}.") for x in t)
        ]


def test_the_cycle_finder_can_fail() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_the_layer_check_can_fail() -> None:
    assert upward({"stress.plan": {"stress.cli"}}) == ["stress.plan -> stress.cli"]
    assert upward({"stress.cli": {"stress.plan"}}) == []


@pytest.mark.parametrize("package", ["hermes", "stress"])
def test_no_room_is_too_large(package: str) -> None:
    lengths = {n: len(p.read_text("utf-8").splitlines()) for n, p in modules(package).items()}
    assert {n: k for n, k in lengths.items() if k > 500} == {}


@pytest.mark.parametrize("package", ["hermes", "stress"])
def test_no_function_is_too_long(package: str) -> None:
    long = []
    for name, path in modules(package).items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 70:
                    long.append(f"{name}.{node.name}: {length} lines")
    assert long == []
