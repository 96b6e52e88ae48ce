"""A child process that looks for the bug of one program after another, with one tool.

`python -m benchmarks.hunt TOOL STRATEGY`; says when it is warm, then reads a question a line as
JSON (program, seed, executions, limit_s), and answers with a line of JSON: whether the bug was
found, in how many executions and seconds, and trouble where the tool cannot be asked that.
Tools: ours; frontrun, to be run under its launcher; interleave.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.hunted import program_of

#: Whether the bug was found, in how many executions, and trouble.
Answer = tuple[bool, int, str]


class CannotRun(Exception):
    """The tool cannot run a program of this shape; the argument says why."""


def ours(program: Callable[[], None], question: dict[str, Any]) -> Answer:
    """`stress.explore` with its default settings, as far as the question leaves them; only what
    comes after the bug was found is left out, here and with the peers: shrinking, and replays."""
    from stress import explore

    found = explore(
        program,
        strategy=question["strategy"],
        executions=question["executions"],
        seed=question["seed"],
        targets=(program.__module__,),
        time_limit_s=question["limit_s"],
        shrink=False,
    )
    return bool(found.findings), found.statistics.executions, ""


def interleave(program: Callable[[], None], question: dict[str, Any]) -> Answer:
    """`interleave_test.explore`, which runs programs of the same shape."""
    import interleave_test  # type: ignore[import-not-found]

    found = interleave_test.explore(
        program,
        iterations=question["executions"],
        seed=question["seed"],
        strategy=question["strategy"],
        timeout=question["limit_s"],
        raise_on_failure=False,
    )
    return found.failure is not None, found.schedules_run, ""


class Split:
    """A program as frontrun wants it: what makes the state, the threads, and what must be true.

    The program runs on a greenlet. Where it would start its threads it gives their functions, and
    goes on when all are done.
    """

    def __init__(self, program: Callable[[], None]) -> None:
        import greenlet

        self._program = program
        self._greenlet = greenlet
        self.threads = len(self.setup().threads)

    def setup(self) -> Any:
        """The program up to its threads."""
        greenlet = self._greenlet
        run = greenlet.greenlet(self._program)

        def hand_over(*functions: Callable[[], object]) -> None:
            run.parent.switch(functions)

        names: dict[str, Any] = self._program.__globals__  # type: ignore[attr-defined]
        before = names.get("together")
        names["together"] = hand_over
        try:
            run.threads = run.switch()
        finally:
            names["together"] = before
        if run.dead or not isinstance(run.threads, tuple):
            raise CannotRun("it starts its threads itself")
        return run

    @staticmethod
    def invariant(run: Any) -> bool:
        """The rest of the program."""
        try:
            run.switch()
        except Exception:
            return False
        return bool(run.dead)


def frontrun(program: Callable[[], None], question: dict[str, Any]) -> Answer:
    """`frontrun.explore` with its default settings, without what these programs do not need."""
    import frontrun as peer  # type: ignore[import-untyped]

    try:
        split = Split(program)
    except CannotRun:
        raise
    except Exception as error:
        raise CannotRun(f"{type(error).__name__} before its threads start") from error
    options: dict[str, Any] = {"max_executions": question["executions"]}
    if question["strategy"] == "random":
        options = {
            "strategy": "random",
            "max_attempts": question["executions"],
            "seed": question["seed"],
        }
    found = peer.explore(
        setup=split.setup,
        workers=[
            lambda run, number=number: run.threads[number]() for number in range(split.threads)
        ],
        invariant=split.invariant,
        detect_io=False,
        reproduce_on_failure=0,
        total_timeout=question["limit_s"],
        **options,
    )
    return not found.property_holds, found.num_explored, found.inconclusive_reason or ""


TOOLS: dict[str, Callable[[Callable[[], None], dict[str, Any]], Answer]] = {
    "ours": ours,
    "frontrun": frontrun,
    "interleave": interleave,
}


def main() -> None:
    """See the top of the file."""
    tool, strategy = TOOLS[sys.argv[1]], sys.argv[2]
    if tool is frontrun:
        importlib.import_module("frontrun")  # First: it replaces locks.
    warm = {"program": "torn.same_id_twice", "seed": 0, "executions": 20, "limit_s": 10.0}
    print(json.dumps(answered(tool, {**warm, "strategy": strategy})), flush=True)
    for line in sys.stdin:
        question = {**json.loads(line), "strategy": strategy}
        print(json.dumps(answered(tool, question)), flush=True)


def answered(tool: Callable[..., Answer], question: dict[str, Any]) -> dict[str, Any]:
    """Ask the tool, by the clock."""
    program = program_of(question["program"])
    began = time.perf_counter()
    try:
        found, executions, trouble = tool(program, question)
    except CannotRun as error:
        found, executions, trouble = False, 0, str(error)
    except Exception as error:
        # Whatever the peer has to say against the program.
        found, executions, trouble = False, 0, f"{type(error).__name__}: {error}"[:200]
    seconds = time.perf_counter() - began
    return {
        "found": found,
        "executions": executions,
        "seconds": seconds,
        "trouble": trouble,
        "prepared": prepared(program) if tool is ours else 0.0,
    }


def prepared(program: Callable[[], None]) -> float:
    """How long it takes us to prepare the process for the program, and to leave it as it was."""
    from stress.controlled import laboratory

    began = time.perf_counter()
    with laboratory(program, (program.__module__,), "auto"):
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
