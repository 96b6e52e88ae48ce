"""Ordinary single-threaded code, to see what instrumentation costs it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.pure import pure_collections, pure_json


@dataclass(frozen=True)
class Body:
    """Code to time, and the modules whose functions get hooks."""

    name: str
    run: Callable[[], object]
    targets: tuple[str, ...]


_HERE = __name__
_DOCUMENT = {
    "name": "a reader’s \"notes\"\n", "pages": [{"number": n, "ratio": n / 7, "read": n % 2 == 0,
    "words": ["alpha", "beta", None, "gamma\tdelta"]} for n in range(40)],
}  # fmt: skip
_SENTENCE = "the quick brown fox jumps over the lazy dog and then over another one"
_WORDS = _SENTENCE.split(" ") * 40
_TEXT = " ".join(_WORDS) * 6


def json_round_trip(module: Any) -> Callable[[], object]:
    """Encode a document and decode it."""

    def body() -> object:
        text = "".join(module.JSONEncoder().iterencode(_DOCUMENT))
        return module.loads(text)

    return body


def count_words(module: Any) -> Callable[[], object]:
    """Count, add and rank."""

    def body() -> object:
        total = module.Counter()
        for _ in range(3):
            total += module.Counter(_WORDS)
        return total.most_common(5)

    return body


def order_words(module: Any) -> Callable[[], object]:
    """A cache of the least recently used, as people write it."""

    def body() -> object:
        kept = module.OrderedDict()
        for number, word in enumerate(_WORDS):
            kept[word, number % 50] = number
            kept.move_to_end((word, number % 50))
            if len(kept) > 30:
                kept.popitem(last=False)
        return list(kept)

    return body


@dataclass(frozen=True, order=True)
class Item:
    """A line of an order."""

    name: str
    amount: int
    price: float


@dataclass
class Order:
    """Lines, and what they come to."""

    items: list[Item] = field(default_factory=list)
    total: float = 0.0

    def add(self, item: Item) -> None:
        """One line more."""
        self.items.append(item)
        self.total += item.amount * item.price


def fill_orders() -> object:
    """Make, change, sort and compare instances of dataclasses."""
    order = Order()
    for number in range(400):
        item = Item(f"item {number % 7}", number, 1.5)
        order.add(replace(item, amount=number % 5))
    return sorted(order.items)[:3], order == Order()


def wrap_text() -> object:
    """The text formatter of the standard library."""
    return textwrap.fill(_TEXT, width=60)


class Point:
    """Two attributes."""

    def __init__(self) -> None:
        self.x = 0
        self.y = 1


def touch_attributes() -> object:
    """Nothing but attributes."""
    point = Point()
    for _ in range(4000):
        point.x = point.y
    return point


def append_to_list() -> object:
    """Nothing but a method of a list."""
    made: list[int] = []
    for number in range(8000):
        made.append(number)
    return made


def fibonacci(number: int) -> int:
    """Nothing but calls."""
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


def call_itself() -> object:
    """Some eight thousand calls."""
    return fibonacci(19)


def bodies() -> list[Body]:
    """All of them; makes the pure copies."""
    json_module, collections_module = pure_json(), pure_collections()
    json_name, collections_name = json_module.__name__, collections_module.__name__
    return [
        Body("json, pure Python", json_round_trip(json_module), (json_name, _HERE)),
        Body("Counter, pure Python", count_words(collections_module), (collections_name, _HERE)),
        Body("OrderedDict, pure", order_words(collections_module), (collections_name, _HERE)),
        Body("dataclasses", fill_orders, ("dataclasses", _HERE)),
        Body("textwrap", wrap_text, ("textwrap", _HERE)),
        Body("attribute loop", touch_attributes, (_HERE,)),
        Body("list append loop", append_to_list, (_HERE,)),
        Body("recursion", call_itself, (_HERE,)),
    ]
