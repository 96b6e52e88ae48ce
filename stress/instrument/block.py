"""Functions carry hooks for the length of a block, and have their own code back after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

from stress.errors import InvalidArgument
from stress.instrument.functions import function_of, is_target
from stress.instrument.hooks import Hooks
from stress.instrument.imports import Finder
from stress.instrument.modules import ModuleNames
from stress.instrument.template import Bound
from stress.instrument.templates import Templates
from stress.living import Living, living_functions, module_of

#: What rewriting cost is kept for the life of the process.
_templates = Templates()


@contextmanager
def instrumented(
    targets: Collection[str],
    hooks: Hooks,
    program: Callable[..., Any] | None = None,
    living: Living | None = None,
) -> Iterator[Instrumented]:
    """Have the functions of the target modules and packages call `hooks` within the block.

    That is: all living ones, wherever they are; those that functions with hooks make; and those
    of modules imported meanwhile. The function of `program` is one of them, whatever its module.
    At the end every function has the code object that it would have without the block; generators
    that were started within it go on as they are. Blocks may be nested: all hooks are called.
    `living` is who has just looked; without it somebody does now.
    """
    if isinstance(targets, str):
        raise InvalidArgument(f"targets={targets!r} is one name: give a tuple, ({targets!r},)")
    if living is None:
        living = Living()
        living.look()
    made = Instrumented(targets, hooks)
    finder = Finder(made._is_target, made._rewrite_module, made._module_loaded)
    finder.put_in_place()
    try:
        made._instrument(living, function_of(program))
        yield made
    finally:
        finder.remove()
        made._restore([*made._changed, *living_functions()])


class Instrumented:
    """What carries hooks, and what does not although it was asked for."""

    def __init__(self, targets: Collection[str], hooks: Hooks) -> None:
        self._targets = frozenset(targets)
        self._inside = tuple(f"{target}." for target in targets)
        self._hooks = hooks
        self._bound = Bound()
        self._modules: set[str] = set()
        # Held: whoever sets what there is apart meanwhile (`gc.freeze`) hides it from a look
        # through the process, and makes that look cheap.
        self._changed: list[FunctionType] = []
        #: Qualified name and reason of every function that stays as it is.
        self.refused: list[tuple[str, str]] = []
        #: Names of modules that functions elsewhere assign.
        self.module_names = ModuleNames()

    @property
    def functions(self) -> int:
        """How many living functions carry hooks now. Looks through the whole process."""
        known = {id(function): function for function in (*self._changed, *living_functions())}
        return sum(
            self._bound.original_of(function.__code__) is not None for function in known.values()
        )

    @property
    def missing(self) -> frozenset[str]:
        """Those targets of which there was no function to give hooks to."""
        return frozenset(
            target
            for target in self._targets
            if not any(is_target(module, (target,)) for module in self._modules)
        )

    def _is_target(self, module: str) -> bool:
        # Nearly none is, and it is asked of every module.
        may_be = module in self._targets or module.startswith(self._inside)
        return may_be and is_target(module, self._targets)

    def _instrument(self, living: Living, program: FunctionType | None) -> None:
        by_module: dict[int, list[FunctionType]] = {}
        for function in living.functions(self._is_target):
            by_module.setdefault(id(function.__globals__), []).append(function)
        # A hook of a target module that called itself would never end.
        hooks = {function_of(self._hooks.access), function_of(self._hooks.call)}
        for functions in by_module.values():
            facts = [_templates.facts(function.__code__) for function in functions]
            self.module_names.add(facts, functions[0].__globals__)
        for functions in by_module.values():
            self._instrument_module(functions, [f for f in functions if f not in hooks])
        if program is not None and id(program.__globals__) not in by_module:
            module = module_of(program)
            if not is_target(module, (module,)):
                return
            named = living.functions(lambda name: name == module)
            beside = [f for f in named if f.__globals__ is program.__globals__]
            self._instrument_module(beside, [program])

    def _instrument_module(self, functions: list[FunctionType], wanted: list[FunctionType]) -> None:
        """Give hooks to the `wanted` ones of the living `functions` of a module."""
        module, names = module_of(functions[0]), functions[0].__globals__
        codes = {id(function.__code__): function.__code__ for function in functions}
        facts = {identity: _templates.facts(code) for identity, code in codes.items()}
        shared = frozenset(self.module_names.of(names)).union(
            *(fact.assigned for fact in facts.values())
        )
        inside = frozenset[int]().union(*(fact.inside for fact in facts.values()))
        sought = {id(function.__code__) for function in wanted}
        roots = [
            code
            for identity, code in codes.items()
            if identity not in inside
            and (identity in sought or not sought.isdisjoint(facts[identity].inside))
        ]
        self._bind(roots, module, names, shared)
        for function in wanted:
            made = self._bound.made_of(function.__code__)
            if made is not None:
                function.__code__ = made
                self._changed.append(function)
        if wanted:
            self._modules.add(module)

    def _bind(
        self, codes: list[CodeType], module: str, names: dict[str, Any], shared: frozenset[str]
    ) -> None:
        for code, result in _templates.results(codes, module, shared):
            self.refused.extend(result.refused)
            result.template.bind(code, self._hooks, names, self._bound)

    def _rewrite_module(self, code: CodeType, module: ModuleType) -> CodeType:
        facts = _templates.facts(code)
        self.module_names.add([facts], module.__dict__)
        shared = facts.assigned.union(self.module_names.of(module.__dict__))
        self._bind([code], module.__name__, module.__dict__, shared)
        if facts.inside:
            self._modules.add(module.__name__)
        return self._bound.made_of(code) or code

    def _module_loaded(self, module: ModuleType) -> None:
        functions = [f for f in living_functions() if f.__globals__ is module.__dict__]
        if functions:
            self._instrument_module(functions, functions)

    def _restore(self, living: list[FunctionType]) -> None:
        original_of = self._bound.original_of
        for function in living:
            original = original_of(function.__code__)
            if original is not None:
                function.__code__ = original
