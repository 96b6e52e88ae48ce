"""Values for reports: what a name held when it was read, and after it was written.

Nothing of the program runs for it: names are looked up where they are stored, past properties and
`__getattr__`, and only what is of a built-in type is spelled out.
"""

from __future__ import annotations

import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

#: What stands for a value that cannot be seen.
UNSEEN: Any = object()
#: What stands for a value that is not shown.
HIDDEN: Any = object()

_ITEMS, _DEPTH, _WIDTH = 4, 2, 40
_PLAIN = (int, float, complex, bool, type(None), bytes, str)
_NAMED = frozenset({"read", "write"})
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}  # fmt: skip
_MAPPINGS = (dict, defaultdict, OrderedDict, Counter)
_CONTAINERS = frozenset((*_BRACKETS, *_MAPPINGS))
#: What is called so is not for a report that goes to others.
_SECRET = re.compile(r"api_?key|token|secret|passw|credential|authorization", re.IGNORECASE)
_TOLD_HIDDEN = "(hidden)"
_HUGE = 1 << 128


def has_value(kind: str, subject: Any) -> bool:
    """Whether an operation of this kind has a value that could be told."""
    return kind in _NAMED or type(subject) in _CONTAINERS


def value_of(kind: str, name: str, subject: Any) -> Any:
    """What an operation of this kind sees now: the value of a name, or the container itself."""
    if kind in _NAMED:
        return _shown(name, _stored(subject, name))
    if type(subject) not in _CONTAINERS:
        return UNSEEN
    return len(subject) if kind == "call" and name == "len" else subject


def _stored(subject: Any, name: str) -> Any:
    if type(subject) is dict:  # Of a module.
        return subject.get(name, UNSEEN)
    if type(subject) is types.CellType:
        try:
            return subject.cell_contents
        except ValueError:
            return UNSEEN
    if issubclass(type(subject), type):  # `isinstance` would ask the object.
        return _of_classes(subject.__mro__, name)
    try:
        names = object.__getattribute__(subject, "__dict__")
    except AttributeError:
        names = {}
    if type(names) is dict and name in names:
        return names[name]
    found = _of_classes(type(subject).__mro__, name)
    if type(found) is types.MemberDescriptorType:
        try:
            return found.__get__(subject)
        except AttributeError:
            return UNSEEN
    return found if type(found) in _PLAIN else UNSEEN


def _of_classes(classes: tuple[type, ...], name: str) -> Any:
    return next((c.__dict__[name] for c in classes if name in c.__dict__), UNSEEN)


def told(value: Any, describe: Callable[[Any], str], depth: int = _DEPTH) -> str:
    """A value in at most some forty characters; an object that is none of a built-in type by
    `describe`."""
    if value is UNSEEN:
        return ""
    if value is HIDDEN:
        return _TOLD_HIDDEN
    made = type(value)
    if made is int and not -_HUGE < value < _HUGE:
        return f"an int of {value.bit_length():,} bits"
    if made in (str, bytes):
        text = repr(value[:_WIDTH])
        return text if len(value) <= _WIDTH and len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    if made in _PLAIN:
        return repr(value)
    if made in _MAPPINGS:
        items = [
            f"{told(key, describe, depth - 1)}: {told(_shown(key, item), describe, depth - 1)}"
            for key, item in _first(value.items(), depth)
        ]
        return _shortened("{", "}", items, len(value))
    if made in _BRACKETS:
        before, after = _BRACKETS[made]
        items = [told(item, describe, depth - 1) for item in _first(value, depth)]
        if not value and made in (set, frozenset):
            return f"{made.__name__}()"
        if made is tuple and len(value) == 1:
            after = ",)"
        return _shortened(before, after, items, len(value))
    return describe(value)


def _shown(name: Any, value: Any) -> Any:
    is_secret = type(value) in (str, bytes) and type(name) is str and _SECRET.search(name)
    return HIDDEN if is_secret else value


def _first(items: Any, depth: int) -> list[Any]:
    # What is deep down is only counted.
    return [item for _, item in zip(range(_ITEMS if depth else 0), items, strict=False)]


def _shortened(before: str, after: str, items: list[str], count: int) -> str:
    text, shown = "", 0
    for item in items:
        longer = f"{text}, {item}" if text else item
        if len(longer) > _WIDTH:
            break
        text, shown = longer, shown + 1
    if shown < count:
        text = f"{text}, … {count - shown} more" if text else f"… {count}"
    return f"{before}{text}{after}"
