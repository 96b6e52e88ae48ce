"""What instrumented code calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stress.site import Site


@dataclass(frozen=True)
class Hooks:
    """The two functions that are called before an operation; what they return is dropped.

    What they raise is raised in the instrumented function, at the operation.
    """

    #: Before attribute, item, iteration, `in`, and entry or exit of a `with`: the site, and the
    #: object. Of a global the object is the module's dictionary, of a closure variable its cell,
    #: of an exit the exit callable. Of an item also its key.
    access: Callable[..., object]
    #: Before a call: the site, the callable, and the first positional argument or None.
    call: Callable[[Site, Any, Any], object]
