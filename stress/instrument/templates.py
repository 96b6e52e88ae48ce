"""Templates of code, made once: kept for the life of the code, and on disk between processes."""

from __future__ import annotations

import weakref
from types import CodeType
from typing import Any

from stress.instrument import disk
from stress.instrument.assigned import assigned_attributes, assigned_globals, nested_codes
from stress.instrument.template import Template


class Facts:
    """What is known of a code object by itself."""

    __slots__ = ("assigned", "inside", "mentioned", "stored")

    def __init__(self, code: CodeType) -> None:
        codes = [code, *nested_codes(code)]
        #: Identities of the functions inside it: they live as long as it does.
        self.inside = frozenset(map(id, codes[1:]))
        #: Globals that it assigns, or a function inside it.
        self.assigned = frozenset[str]().union(*map(assigned_globals, codes))
        #: Attributes that it assigns, or a function inside it.
        self.stored = frozenset[str]().union(*map(assigned_attributes, codes))
        self.mentioned = frozenset[str]().union(*(inner.co_names for inner in codes))


class Result:
    """What became of one function: its template, and which functions had to stay as they are."""

    __slots__ = ("refused", "template")

    def __init__(self, kept: Any, module: str) -> None:
        rewritten, refused = kept
        self.template = Template(rewritten, module)
        self.refused: tuple[tuple[str, str], ...] = tuple(refused)


class _OfCode:
    """Everything kept of one living code object."""

    __slots__ = ("code", "facts", "results")

    def __init__(self, code: CodeType, forget: Any) -> None:
        self.code = weakref.ref(code, forget)
        self.facts: Facts | None = None
        self.results: dict[tuple[str, frozenset[str]], Result] = {}


class Templates:
    """A cache by identity of code, since equal code objects are told apart."""

    def __init__(self) -> None:
        self._kept: dict[int, _OfCode] = {}

    def facts(self, code: CodeType) -> Facts:
        kept = self._of(code)
        if kept.facts is None:
            kept.facts = Facts(code)
        return kept.facts

    def results(
        self, codes: list[CodeType], module: str, shared: frozenset[str]
    ) -> list[tuple[CodeType, Result]]:
        """Of functions of one module, of which no one is inside another: what became of each."""
        missing = []
        for code in codes:
            relevant = shared & self.facts(code).mentioned
            if (module, relevant) not in self._of(code).results:
                missing.append((code, relevant))
        if missing:
            self._fill(missing, module)
        return [
            (code, self._of(code).results[module, shared & self.facts(code).mentioned])
            for code in codes
        ]

    def _fill(self, missing: list[tuple[CodeType, frozenset[str]]], module: str) -> None:
        entries = disk.load(module)
        new: disk.Entries = {}
        for code, shared in missing:
            key = disk.key_of(code, shared)
            kept = entries.get(key) if key else None
            if kept is None:
                # Imported here, as a warm start does without it and the library below it.
                from stress.instrument.rewrite import Rewriter

                rewriter = Rewriter(shared)
                kept = (rewriter.rewrite(code), rewriter.refused)
                if key:
                    new[key] = kept
            self._of(code).results[module, shared] = Result(kept, module)
        if new:
            disk.save(module, new)

    def _of(self, code: CodeType) -> _OfCode:
        identity = id(code)
        kept = self._kept.get(identity)
        if kept is None:
            kept = _OfCode(code, lambda _: self._kept.pop(identity, None))
            self._kept[identity] = kept
        return kept
