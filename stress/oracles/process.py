"""Oracles of the process: standard streams, printed lines, clients, leaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stress.finding import FindingKind, Violation

_TOKEN = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Resolution:
    """An actor asked for the client of a key and was given the object with this number."""

    key: str
    client: int


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process holds: thread names, and the targets of its file descriptors."""

    threads: tuple[str, ...]
    descriptors: tuple[str, ...]


def check_streams(restored: Mapping[str, bool]) -> Iterator[Violation]:
    """`sys.stdout` and `sys.stderr` are the originals again, whatever wraps them."""
    for stream, is_original in restored.items():
        if not is_original:
            yield Violation(
                FindingKind.INVARIANT,
                "original_streams",
                f"sys.{stream}",
                f"sys.{stream} is not the original stream after the last operation",
            )


def check_printed(tokens: Iterable[str], text: str) -> Iterator[Violation]:
    """Every token that a bystander printed, `<word>`, reached the standard output once."""
    found = Counter(_TOKEN.findall(text))
    expected = set(tokens)
    lost = sorted(expected - found.keys())
    doubled = sorted(token for token, count in found.items() if count > 1 and token in expected)
    for said, which in (("lost", lost), ("doubled", doubled)):
        if which:
            yield Violation(
                FindingKind.INVARIANT,
                "printed_lines",
                f"sys.stdout: {said}",
                f"{len(which)} of {len(expected)} printed lines were {said}, {which[0]!r} first",
            )


def check_one_client(
    resolutions: Sequence[Resolution], unclosed: Mapping[str, int]
) -> Iterator[Violation]:
    """All callers of a key share one client; `unclosed` counts the open clients of each key."""
    clients: dict[str, set[int]] = {}
    for resolution in resolutions:
        clients.setdefault(resolution.key, set()).add(resolution.client)
    for key, numbers in clients.items():
        if len(numbers) > 1:
            yield Violation(
                FindingKind.INVARIANT,
                "one_client_per_key",
                "_get_cached_client: several clients for one key",
                f"callers of {key!r} were given {len(numbers)} different clients",
            )
        elif unclosed.get(key, 1) > 1:
            yield Violation(
                FindingKind.LEAK,
                "losers_closed",
                "_get_cached_client: client left open",
                f"{unclosed[key]} clients were built for {key!r} and left open",
            )


def check_answers(answers: Mapping[str, tuple[str, str]]) -> Iterator[Violation]:
    """Every auxiliary request is given its own answer; values are (expected, received)."""
    for where, (expected, received) in answers.items():
        if expected != received:
            yield Violation(
                FindingKind.INVARIANT,
                "own_answer",
                "call_llm: answer",
                f"{where} was answered {received!r}, expected {expected!r}",
            )


def check_leaks(before: Resources, after: Resources) -> Iterator[Violation]:
    """No thread and no file descriptor outlives the operations that made it."""
    threads = Counter(after.threads) - Counter(before.threads)
    for name, count in sorted(threads.items()):
        yield Violation(
            FindingKind.LEAK, "no_thread_leak", f"thread {name}", f"{count} threads {name!r} left"
        )
    descriptors = Counter(after.descriptors) - Counter(before.descriptors)
    for target, count in sorted(descriptors.items()):
        yield Violation(
            FindingKind.LEAK,
            "no_descriptor_leak",
            f"descriptor of {target}",
            f"{count} file descriptors of {target} left open",
        )
