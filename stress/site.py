"""Sites: the places in the source where instrumented code calls a hook.

This file imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place, equal only to itself: there is one object per place and code object.

    Two instructions that the compiler made of the same piece of source share their site: the body
    of a `finally` is compiled several times over.
    """

    #: "read", "write", "delete", "read item", "write item", "delete item", "iterate", "contains",
    #: "compare", "call", "enter" or "exit".
    kind: str
    #: Of the attribute, global, cell or callee, where it is known; else empty.
    name: str
    #: Qualified name of the function. What a comprehension does belongs to the function around
    #: it, on every Python.
    function: str
    module: str
    file: str
    line: int
    #: Occurrence in source order of the same kind and name in that function, from 0. With kind,
    #: name and function it finds the place again on another Python, or after an unrelated edit.
    number: int
