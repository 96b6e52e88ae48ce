"""Sources of randomness, seeded: each execution draws the same numbers."""

from __future__ import annotations

import functools
import os
import random
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from stress.engine.context import controlled

_URANDOM = os.urandom


_METHODS = (types.MethodType, types.BuiltinMethodType)


class Randomness:
    """The sources that a program may ask: `random`, and what the system gives for unguessable."""

    def __init__(self) -> None:
        self._entropy = random.Random(0)
        self._seed = 0
        self._asked = False
        self._stale = True

    def lazy(self) -> list[tuple[Any, Any]]:
        """The methods of the shared generator, and what stands for them."""
        return [
            (method, self._when_called(method))
            for method in vars(random).values()
            if type(method) in _METHODS and method.__self__ is random._inst
        ]

    def enter(self, holders: Sequence[tuple[dict[str, Any], str, Any]]) -> Callable[[], None]:
        """Put seeded sources in place, for `holders` those that are `lazy`; the result puts the
        real ones back."""
        state = random.getstate()
        numpy = sys.modules.get("numpy.random")
        numpy_state = None if numpy is None else numpy.get_state()
        seed = random.Random.seed
        taken = random.__dict__["_urandom"]
        taken_names = [(names, name, names[name]) for names, name, _ in holders]

        def seeded(self_: random.Random, a: Any = None, version: int = 2) -> None:
            if a is None and controlled() is not None:
                a = int.from_bytes(self.draw(16), "big")
            seed(self_, a, version)

        random.Random.seed = seeded  # type: ignore[method-assign, assignment]
        for names, name, method in holders:
            names[name] = method
        os.urandom = random.__dict__["_urandom"] = self.urandom

        def leave() -> None:
            random.Random.seed = seed  # type: ignore[method-assign]
            os.urandom, random.__dict__["_urandom"] = _URANDOM, taken
            for names, name, method in taken_names:
                names[name] = method
            random.setstate(state)
            if numpy is not None:
                numpy.set_state(numpy_state)

        return leave

    def begin(self, seed: int) -> None:
        """Seed everything for one execution, each source when it is first asked."""
        self._seed, self._asked, self._stale = seed, False, True
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            numpy.seed(seed % 2**32)

    def _when_called(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def seeded(*args: Any, **kwargs: Any) -> Any:
            if self._stale and controlled() is not None:
                self._stale = False
                random._inst.seed(self._seed)
            return method(*args, **kwargs)

        return seeded

    def urandom(self, size: int) -> bytes:
        """`os.urandom`; seeded for tasks."""
        return _URANDOM(size) if controlled() is None else self.draw(size)

    def draw(self, size: int) -> bytes:
        """The next bytes of this execution."""
        if not self._asked:
            # Seeding costs microseconds, and most programs never ask.
            self._entropy.seed(f"entropy/{self._seed}")
            self._asked = True
        return self._entropy.randbytes(size)
