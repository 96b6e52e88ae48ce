"""Leaks: locks that are never given back.

Whoever takes such a lock next waits for ever; in the execution that is looked at nobody did. Of an
execution that did not come to its end nothing is told: there locks are held for other reasons.
"""

from __future__ import annotations

from collections.abc import Sequence

from stress.detect.suspicion import Grade, Suspicion
from stress.detect.trace import Trace
from stress.finding import FindingKind
from stress.site import Site


def leaks(trace: Trace) -> Sequence[Suspicion]:
    """The locks that are held when everybody has ended, each place in the source once."""
    if not trace.ended:
        return ()
    found: dict[tuple[int, Site | None], Suspicion] = {}
    for task, held in trace.left.items():
        for lock in held:
            before = next(
                (s.site for s in reversed(trace.steps[: lock.step]) if s.task == task), None
            )
            found.setdefault(
                (lock.lock, before),
                Suspicion(
                    kind=FindingKind.LEAK,
                    grade=Grade.TORN,
                    what=f"{{lock:{lock.step}}}",
                    steps=(lock.step,),
                    message=(
                        f"leak of {{what}}: task {task} takes it in {{0}}, and has ended without "
                        "giving it back"
                    ),
                    remedy="take it by `with`, or give it back in a `finally`",
                ),
            )
    return tuple(found.values())
