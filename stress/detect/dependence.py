"""Whether what comes second in a function depends on what came first, by its source.

By the value: what the first one gives is given to the second, by way of variables if need be. Or by
a decision: a condition is made of it, and the second comes only in one of the cases. Of what it
means to use a stale value: Burrows, Leino, "Finding stale-value errors in concurrent programs",
Concurrency and Computation 2004. Attributes are not followed; a function without source has no
dependences.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Span(NamedTuple):
    """Where an expression stands in a file: lines from 1, columns in bytes from 0."""

    line: int
    column: int
    last_line: int
    last_column: int


def depends(file: str, first: Span, second: Span, *, by_value: bool = False) -> bool:
    """Whether the second expression of a function depends on the first, which is before it; only
    where it is given its value, with `by_value`."""
    tree, parents = _tree(file, _mark(file))
    if tree is None:
        return False
    one, other = _at(tree, first), _at(tree, second)
    if one is None or other is None or one is other:
        return False
    if by_value and _is_tested(other, parents):
        return False  # It is compared with what was there before.
    if other in _above(one, parents):
        return True  # It is an argument of it.
    function = next((n for n in _above(one, parents) if isinstance(n, _FUNCTIONS)), None)
    if function is None or function not in _above(other, parents):
        return False
    return _Flow(parents, other, by_value=by_value).reaches(one, function)


def is_in_for_loop(file: str, span: Span) -> bool:
    """Whether the innermost loop around an expression, in its function, is a `for`."""
    tree, parents = _tree(file, _mark(file))
    at = None if tree is None else _at(tree, span)
    for node in () if at is None else _above(at, parents):
        if isinstance(node, ast.For):
            return True
        if isinstance(node, (ast.While, ast.AsyncFor, *_FUNCTIONS)):
            return False
    return False


def come_together(file: str, first: Span, second: Span) -> bool:
    """Whether what two expressions of a function give comes together in one expression."""
    tree, parents = _tree(file, _mark(file))
    if tree is None:
        return False
    one, other = _at(tree, first), _at(tree, second)
    if one is None or other is None:
        return False
    above = set(_above(one, parents))
    common = next((node for node in (other, *_above(other, parents)) if node in above), None)
    if isinstance(common, ast.expr):
        return True
    names, other_names = (_Flow(parents, one).names_of(node) for node in (one, other))
    if any(isinstance(node, ast.expr) and _loads(node, names) for node in _above(other, parents)):
        return True
    after = max(one.lineno, other.lineno)
    return any(
        isinstance(node, ast.expr)
        and node.lineno >= after
        and _loads(node, names)
        and _loads(node, other_names)
        for node in ast.walk(common or tree)
    )


def _loads(node: ast.AST, names: set[str]) -> bool:
    """Whether it reads one of these variables."""
    return any(
        isinstance(one, ast.Name) and one.id in names and isinstance(one.ctx, ast.Load)
        for one in ast.walk(node)
    )


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)


def _is_tested(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    below = node
    for above in _above(node, parents):
        if isinstance(above, ast.stmt):
            return isinstance(above, ast.If | ast.While | ast.Assert) and below is above.test
        below = above
    return False


def _mark(file: str) -> str:
    """Another one when the file has changed, as far as it is known here."""
    return str(len(linecache.getlines(file)))


@lru_cache(maxsize=64)
def _tree(file: str, mark: str) -> tuple[ast.Module | None, dict[ast.AST, ast.AST]]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None, {}
    return tree, {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _at(tree: ast.Module, span: Span) -> ast.expr | None:
    """The smallest expression that covers it."""
    best: ast.expr | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and _covers(node, span):
            best = node if best is None or _covers(best, _span(node)) else best
    return best


def _span(node: ast.expr) -> Span:
    return Span(
        node.lineno,
        node.col_offset,
        node.end_lineno or node.lineno,
        node.end_col_offset or node.col_offset,
    )


def _covers(node: ast.expr, span: Span) -> bool:
    mine = _span(node)
    return mine[:2] <= span[:2] and span[2:] <= mine[2:]


def _above(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """All that a node is inside of, the innermost first."""
    at = parents.get(node)
    while at is not None:
        yield at
        at = parents.get(at)


class _Flow:
    """Where a value goes in one function, statement by statement, up to `goal`."""

    def __init__(
        self, parents: dict[ast.AST, ast.AST], goal: ast.expr, *, by_value: bool = False
    ) -> None:
        self._by_value = by_value
        self._parents = parents
        self._goal = goal
        self._around_goal = {goal, *_above(goal, parents)}
        self._names: set[str] = set()

    def reaches(self, source: ast.expr, function: ast.AST) -> bool:
        """Whether the goal depends on the source."""
        below: ast.AST = source
        for node in _above(source, self._parents):
            if isinstance(node, ast.NamedExpr):
                self._names.add(node.target.id)
            if self._decides(node, below):
                return True
            if isinstance(node, ast.stmt):
                break
            below = node
        else:
            return False
        self._assign(node)
        after = (source.lineno, source.col_offset)
        statements = [
            one
            for one in ast.walk(function)
            if isinstance(one, ast.stmt) and (one.lineno, one.col_offset) > after
        ]
        for statement in sorted(statements, key=lambda one: (one.lineno, one.col_offset)):
            if self._follows(statement):
                return True
        return False

    def names_of(self, source: ast.expr) -> set[str]:
        """The variables that get the value of an expression where it stands."""
        for node in _above(source, self._parents):
            if isinstance(node, ast.NamedExpr):
                self._names.add(node.target.id)
            if isinstance(node, ast.stmt):
                self._assign(node)
                break
        return self._names

    def _follows(self, statement: ast.stmt) -> bool:
        for part in _heads(statement):
            if not self._is_made_of(part):
                continue
            if part is self._goal or part in self._around_goal:
                return True
            if self._decides(statement, part):
                return True
            self._assign(statement)
        # What is used right beside it is used with it.
        simple = not hasattr(statement, "body")
        return simple and statement in self._around_goal and self._is_made_of(statement)

    def _is_made_of(self, node: ast.AST) -> bool:
        return _loads(node, self._names)

    def _decides(self, node: ast.AST, part: ast.AST) -> bool:
        """Whether it is up to `part` of this node that the goal comes."""
        if self._by_value:
            return False
        if isinstance(node, ast.If | ast.While) and part is node.test:
            if self._is_inside(node.body) or self._is_inside(node.orelse):
                return True
            return isinstance(node, ast.If) and any(map(_leaves, (node.body, node.orelse)))
        if isinstance(node, ast.IfExp) and part is node.test:
            return node.body in self._around_goal or node.orelse in self._around_goal
        if isinstance(node, ast.BoolOp) and part in node.values:
            return any(
                one in self._around_goal for one in node.values[node.values.index(part) + 1 :]
            )
        if isinstance(node, ast.For | ast.AsyncFor) and part is node.iter:
            return self._is_inside(node.body)
        if isinstance(node, ast.Match) and part is node.subject:
            return any(self._is_inside(case.body) for case in node.cases)
        return isinstance(node, ast.Assert) and part is node.test

    def _is_inside(self, body: Sequence[ast.stmt]) -> bool:
        return any(statement in self._around_goal for statement in body)

    def _assign(self, statement: ast.AST) -> None:
        targets: list[ast.AST] = []
        if isinstance(statement, ast.Assign):
            targets = list(statement.targets)
        elif isinstance(statement, ast.AnnAssign | ast.AugAssign | ast.For | ast.AsyncFor):
            targets = [statement.target]
        elif isinstance(statement, ast.With | ast.AsyncWith):
            targets = [item.optional_vars for item in statement.items if item.optional_vars]
        for target in targets:
            self._names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}


def _heads(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement itself, without the statements in it."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr | ast.withitem):
            yield child


def _leaves(body: Sequence[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], _LEAVES)
