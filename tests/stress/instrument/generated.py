"""Writes functions that use every kind of syntax, for comparing them with and without hooks."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_NAMES = ("a", "b", "c", "d")
_ATTRIBUTES = ("x", "y", "items")


class Writer:
    """Writes the source of `function(a, b)`: it ends, whatever it does on the way."""

    def __init__(self, random: Random, size: int) -> None:
        self._random = random
        self._left = size
        self._names = list(_NAMES)
        self._functions: list[str] = []
        self._loops = 0
        self._made = 0

    def source(self) -> str:
        """The whole module."""
        body = self._block(1, is_generator=False)
        return "\n".join(
            ["total = 0", "def function(a, b):", "    global total", "    c = d = None", *body, ""]
        ) + ("    return log, a, b, c, d, total\n")

    def _pick(self, *choices: Callable[[], str]) -> str:
        return self._random.choice(choices)()

    def _fresh(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made}"

    def _block(self, depth: int, is_generator: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self._random.randint(1, 4)):
            self._left -= 1
            statement = self._statement(depth, is_generator)
            lines += ["    " * depth + line for line in statement]
            if self._left < 0:
                break
        return lines

    def _inner(self, is_generator: bool) -> list[str]:
        """A block as it stands below a line that opens one."""
        return self._block(1, is_generator)

    def _statement(self, depth: int, is_generator: bool) -> list[str]:
        simple = [self._assign, self._augment, self._log, self._delete, self._call_statement]
        if self._left < 0 or depth > 4:
            return [self._random.choice(simple)()]
        if is_generator and self._random.random() < 0.3:
            return [self._random.choice([self._yield, self._yield_from])()]
        compound = [
            self._if, self._for, self._while, self._try, self._with, self._match, self._def,
            self._class, self._generator, self._except_star,
        ]  # fmt: skip
        if self._random.random() < 0.45:
            return [self._random.choice(simple)()]
        return self._random.choice(compound)(is_generator)

    # Simple statements.

    def _assign(self) -> str:
        return f"{self._target()} = {self._expression()}"

    def _augment(self) -> str:
        operator = self._random.choice(["+", "-", "*", "|", "//"])
        target = self._pick(self._name, self._attribute, self._item, lambda: "total")
        return f"{target} {operator}= {self._expression()}"

    def _log(self) -> str:
        return f"log.append({self._expression()})"

    def _delete(self) -> str:
        target = self._pick(self._attribute, self._item, lambda: f"{self._name()}.items[1:]")
        return f"del {target}"

    def _call_statement(self) -> str:
        return self._call(2)

    def _yield(self) -> str:
        return self._random.choice(
            [f"yield {self._expression()}", f"{self._name()} = yield {self._expression()}"]
        )

    def _yield_from(self) -> str:
        return f"log.append((yield from [{self._expression()}, {self._expression()}]))"

    # Compound statements.

    def _if(self, is_generator: bool) -> list[str]:
        return [
            f"if {self._expression()}:", *self._inner(is_generator),
            f"elif {self._expression()}:", *self._inner(is_generator),
            "else:", *self._inner(is_generator),
        ]  # fmt: skip

    def _for(self, is_generator: bool) -> list[str]:
        iterated = self._pick(
            lambda: f"range({self._random.randint(0, 3)})",
            lambda: f"list({self._name()}.items)[:3]",
            lambda: "enumerate([1, 2])",
        )
        lines = [f"for {self._target()} in {iterated}:", *self._inner(is_generator)]
        if self._random.random() < 0.4:
            jump = self._random.choice(["break", "continue"])
            lines += [f"    if {self._expression()}: {jump}"]
        if self._random.random() < 0.3:
            lines += ["else:", *self._inner(is_generator)]
        return lines

    def _while(self, is_generator: bool) -> list[str]:
        count = self._fresh("count")
        return [
            f"{count} = {self._random.randint(0, 3)}",
            f"while {count} > 0 and ({self._expression()} or True):",
            f"    {count} -= 1",
            *self._inner(is_generator),
        ]

    def _try(self, is_generator: bool) -> list[str]:
        lines = ["try:", *self._inner(is_generator)]
        if self._random.random() < 0.3:
            lines += [f"    raise KeyError({self._expression()})"]
        error = self._fresh("error")
        lines += [
            f"except (TypeError, AttributeError, KeyError) as {error}:",
            f"    log.append(str({error}))", *self._inner(is_generator),
        ]  # fmt: skip
        if self._random.random() < 0.5:
            lines += ["else:", *self._inner(is_generator)]
        if self._random.random() < 0.6:
            lines += ["finally:", *self._inner(is_generator)]
        return lines

    def _except_star(self, is_generator: bool) -> list[str]:
        return [
            "try:",
            f"    raise ExceptionGroup('g', [KeyError({self._expression()}), ValueError(1)])",
            "except* KeyError as group:",
            *["    log.append(len(group.exceptions))"],
            "except* ValueError:",
            *self._inner(is_generator=False),
        ]

    def _with(self, is_generator: bool) -> list[str]:
        manager = self._random.choice(["Manager(log)", "Manager(log), Manager(log, True)"])
        return [f"with {manager} as {self._name()}:", *self._inner(is_generator)]

    def _match(self, is_generator: bool) -> list[str]:
        return [
            f"match {self._expression()}:",
            f"    case Box(x={self._random.randint(0, 2)}, y=other) if {self._expression()}:",
            *["    " + line for line in self._inner(is_generator)],
            "    case [first, *rest]:",
            "        log.append((first, rest))",
            "    case {'key': value, **rest}:",
            "        log.append((value, rest))",
            "    case int() | None as found:",
            *["    " + line for line in self._inner(is_generator)],
        ]

    def _def(self, is_generator: bool) -> list[str]:
        name = self._fresh("inner")
        # Its own name is not known inside it, so that nothing recurs.
        nonlocals = self._random.sample(_NAMES, self._random.randint(0, 2))
        lines = [f"def {name}(p, *q, r={self._expression()}, **s):"]
        if nonlocals:
            lines += [f"    nonlocal {', '.join(nonlocals)}"]
        lines += [*self._inner(is_generator=False), f"    return {self._expression()}, p, q, r, s"]
        if self._random.random() < 0.3:
            lines.insert(0, "@decorate")
        self._functions.append(name)
        return lines

    def _generator(self, is_generator: bool) -> list[str]:
        name = self._fresh("generator")
        return [
            f"def {name}(p):",
            "    global total",
            "    nonlocal a, b, c, d",
            *self._inner(is_generator=True),
            "    yield p",
            f"log.append(list({name}({self._expression()})))",
        ]

    def _class(self, is_generator: bool) -> list[str]:
        name = self._fresh("Made")
        return [
            f"class {name}(Box):",
            f"    x = {self._expression()}",
            "    table = [x]",
            "    table.append(x)",
            "    def append(self, value):",
            "        super().__init__()",
            "        self.items.append(value)",
            "        return __class__.__name__",
            f"{self._name()} = {name}()",
            f"log.append({name}().append({self._expression()}))",
        ]

    # Expressions.

    def _name(self) -> str:
        return self._random.choice(self._names)

    def _attribute(self) -> str:
        return f"{self._name()}.{self._random.choice(_ATTRIBUTES)}"

    def _item(self) -> str:
        return f"{self._name()}.items[{self._random.choice(['0', '1', '-1', ':1', '9'])}]"

    def _target(self) -> str:
        return self._pick(
            self._name, self._name, self._attribute, self._item, lambda: "total",
            lambda: f"{self._name()}, *{self._name()}",
        )  # fmt: skip

    def _expression(self, depth: int = 2) -> str:
        leaves = [
            self._name, self._attribute, self._item, lambda: "total",
            lambda: str(self._random.randint(0, 9)), lambda: "'text'", lambda: "Box()",
        ]  # fmt: skip
        if depth <= 0 or self._random.random() < 0.3:
            return self._pick(*leaves)
        inner = depth - 1

        def sub() -> str:
            return self._expression(inner)

        return self._pick(
            lambda: f"({sub()} + {sub()})",
            lambda: f"({sub()} in [{sub()}, *{self._attribute()}])",
            lambda: f"({sub()} if {sub()} else {sub()})",
            lambda: f"({sub()} and not {sub()} or {sub()})",
            lambda: f"[n for n in [{sub()}, {sub()}] if n == {sub()}]",
            lambda: f"{{n: m for n, m in [(1, {sub()})]}}",
            lambda: f"sorted([str(n) for n in [{sub()}]])",
            lambda: f"max((n for n in [1, 2] if {sub()}), default={sub()})",
            lambda: f"[f() for f in [lambda: {sub()}, lambda: n] for n in [1]]",
            lambda: f"f'{{{self._name()}!r:>3}} {{{self._attribute()}}}'",
            lambda: f"({self._name()} := {sub()})",
            lambda: f"(1 < {sub()} < 3)",
            lambda: f"[*{self._attribute()}, {sub()}]",
            lambda: f"{{'key': {sub()}, **{{'k': {sub()}}}}}",
            lambda: f"(lambda p, q={sub()}: (p, q, {sub()}))({sub()})",
            lambda: self._call(inner),
        )

    def _call(self, depth: int) -> str:
        if depth <= 0:
            return self._name()

        def sub() -> str:
            return self._expression(depth - 1)

        choices = [
            lambda: f"{self._name()}.items.append({sub()})",
            lambda: f"{self._name()}.items.pop()",
            lambda: f"{self._name()}.items.index({sub()}, 0)",
            lambda: f"{self._name()}.method({sub()}, key={sub()})",
            lambda: f"{self._name()}.get({sub()})",
            lambda: f"take({sub()}, *[{sub()}], k={sub()}, **{{'m': {sub()}}})",
            lambda: f"{{'f': take}}['f']({sub()}, k={sub()})",
            lambda: f"len({self._attribute()})",
            lambda: f"dict(k={sub()}).get('k')",
        ]
        if self._functions:
            function = self._random.choice(self._functions)
            choices += [lambda: f"{function}({sub()}, {sub()}, r={sub()})"] * 3
        return self._pick(*choices)
