"""A child process that executes one program, on our side or on the peer's.

`python -m benchmarks.side PROGRAM DOOR`; says when it is warm, then reads how many seconds to
measure, a number a line, and answers with a line of JSON: executions, seconds by the clock and of
processor, and trouble where the result was no verdict.
Doors: greenlet, thread (ours); dpor, random (frontrun's, to be run under its launcher).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

#: Makes that many executions if it can; gives how many it made, and trouble if there was any.
Call = Callable[[int], "tuple[int, str]"]

#: A call that takes this long says how many executions take how long.
CALIBRATION_S = 0.2
#: Fewer executions of a systematic search would be its first ones only, which switch the least.
SYSTEMATIC_MIN = 20


def ours(name: str, carrier: str) -> Call:
    """A call of `check_threads`, with a strategy that never ends."""
    from benchmarks.programs import PROGRAMS, always
    from stress.exploration import check_threads

    program = PROGRAMS[name]

    def call(executions: int) -> tuple[int, str]:
        found = check_threads(
            program.setup,
            program.workers,
            always,
            strategy="random",
            executions=executions,
            carrier=carrier,
        )
        trouble = "" if found.verdict.value == "holds" else f"{found.verdict.value}: {found.reason}"
        return found.statistics.executions, trouble

    return call


def peers(name: str, strategy: str) -> Call:
    """A call of `frontrun.explore`, without what these programs do not need.

    Its systematic search may end before that many executions; then it is called again.
    """
    import frontrun  # type: ignore[import-untyped]  # First: it replaces locks.

    from benchmarks.programs import PROGRAMS, always

    program = PROGRAMS[name]

    def call(executions: int) -> tuple[int, str]:
        most = max(executions, SYSTEMATIC_MIN)
        options: dict[str, Any] = {"max_executions": most, "stop_on_first": False}
        if strategy == "random":
            options = {"max_attempts": executions, "strategy": strategy, **program.random_options}
        found = frontrun.explore(
            setup=program.setup,
            workers=list(program.workers),
            invariant=always,
            detect_io=False,
            **options,
        )
        if found.num_explored < 2:
            # The time of a call, and no rate of a search.
            return found.num_explored, "one execution a call: it explores no other"
        reason = found.inconclusive_reason or found.explanation or "no verdict"
        return found.num_explored, "" if found.property_holds else reason

    return call


def calibrate(call: Call) -> tuple[int, float, str]:
    """Warm up with calls of more and more executions; the last one's number, seconds, trouble.

    Only a long call tells, that is not mostly what comes before its first execution.
    """
    asked, before = 8, float("inf")
    while True:
        began = time.perf_counter()
        done, trouble = call(asked)
        elapsed = time.perf_counter() - began
        tells = elapsed >= CALIBRATION_S and elapsed >= 2 * before
        if trouble or tells or asked > 1 << 16:
            return max(1, done), elapsed, trouble
        asked, before = asked * 4, elapsed


def measure(call: Call, executions: int, seconds: float) -> dict[str, Any]:
    """Call until about that many seconds have passed."""
    done, trouble = 0, ""
    began, cpu_began = time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - began) < seconds * 0.9 and not trouble:
        more, trouble = call(executions)
        done += more
    cpu_s = time.process_time() - cpu_began
    return {"executions": done, "seconds": elapsed, "cpu_seconds": cpu_s, "trouble": trouble}


def main() -> None:
    """Warm up; then measure as often as asked."""
    name, door = sys.argv[1:]
    call = ours(name, door) if door in ("greenlet", "thread") else peers(name, door)
    executions, elapsed, trouble = calibrate(call)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        seconds = float(line)
        asked = max(1, int(executions * seconds / elapsed * 1.05))
        told = measure(call, asked, seconds)
        executions, elapsed = max(1, told["executions"]), told["seconds"]
        told["trouble"] = told["trouble"] or trouble
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
