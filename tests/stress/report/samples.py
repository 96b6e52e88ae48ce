"""Findings and runs that look like real ones, for the tests of reports."""

from __future__ import annotations

from stress.api import Run, RunStatistics
from stress.events import Anchor, Event
from stress.exploration import Exploration
from stress.finding import Finding, FindingKind, Frame, RecordedOperation, ThreadStack, Verdict
from stress.schedule import schedule_of
from stress.statistics import Coverage, Statistics

STANDARD = "/usr/lib/python3.11"
HERMES = "/src/hermes"


def operations(*entries: tuple[int, str, str, int, str]) -> tuple[RecordedOperation, ...]:
    return tuple(
        RecordedOperation(time_ns, thread, step, phase, name)
        for time_ns, thread, phase, step, name in entries
    )


CRASH = Finding(
    kind=FindingKind.CRASH,
    message="SIGSEGV in write (hermes/safe_stdio.py:41) during console.print",
    fingerprint="3fa9c1d2e4b5" + "0" * 52,
    place="hermes/safe_stdio.py:write",
    workload="console",
    mutant="redirect_stdout",
    target="hermes",
    seed=190123,
    trial=17,
    settings={"size": 1, "noise": True, "trial_timeout_s": 30.0, "memory_limit_mib": None},
    python={
        "version": "3.11.7",
        "implementation": "CPython",
        "build": "main",
        "free_threaded": False,
        "platform": "Linux-6.1-x86_64",
    },
    tool_version="0.1.0",
    condition="crashed",
    signal=11,
    threads=(
        ThreadStack(
            "main",
            (
                Frame(f"{STANDARD}/threading.py", 1119, "_wait_for_tstate_lock"),
                Frame(f"{STANDARD}/threading.py", 1103, "join"),
                Frame("/src/program.py", 9, "run"),
            ),
        ),
        ThreadStack(
            "printer-1",
            (
                Frame(f"{HERMES}/safe_stdio.py", 41, "write"),
                Frame(f"{STANDARD}/contextlib.py", 400, "inner"),
                Frame(f"{STANDARD}/contextlib.py", 300, "outer"),
                Frame("/src/program.py", 30, "speak"),
                Frame(f"{STANDARD}/threading.py", 975, "run"),
            ),
            current=True,
        ),
    ),
    operations=operations(
        (1_250_000, "printer-1", "begin", 1, "console.print"),
        (1_300_000, "spinner-1", "begin", 2, "console.spin"),
        (1_900_000, "printer-1", "end", 1, "console.print"),
        (2_000_000, "spinner-1", "note", -1, "redirect left"),
        (2_100_000, "spinner-1", "error", 2, "console.spin"),
        (2_150_000, "printer-1", "begin", 3, "console.print"),
    ),
    stdout_tail="".join(f"line {number}\n" for number in range(20)),
    stderr_tail="Fatal Python error: Segmentation fault\n\x1b[31mred\x07\n",
    count=500,
    replay_command="hermes-stress replay .stress/findings/crash-3fa9c1d2e4b5",
    directory=".stress/findings/crash-3fa9c1d2e4b5",
)

INVARIANT = Finding(
    kind=FindingKind.INVARIANT,
    message="session s1 counts 7 messages and has 6",
    fingerprint="b" * 64,
    oracle="sessions",
    place="append_message",
    workload="session_writes",
    seed=3,
    details={"session": "s1", "counted": 7, "traceback": "not shown"},
    replay_command="hermes-stress replay invariant-bbbbbbbbbbbb",
)

CROWD = Finding(
    kind=FindingKind.HANG,
    message="no end after 5.0 s: actor-3 is busy in pause (program.py:3)",
    fingerprint="c" * 64,
    place="program.py:pause",
    threads=tuple(
        ThreadStack(f"actor-{n}", (Frame("/src/program.py", 3, "pause"),), n == 3)
        for n in range(30)
    ),
    operations=operations(
        *(
            (n * 1000, f"actor-{n % 8}", ("begin", "end")[n // 8 % 2], n // 16, "x.y")
            for n in range(75)
        )
    ),
    replay_command="hermes-stress replay hang-cccccccccccc",
)


def statistics(**members: object) -> RunStatistics:
    values: dict[str, object] = {
        "trials": 1234,
        "conditions": {"finished": 1233, "crashed": 1},
        "operations": 98765,
        "threads_max": 24,
        "concurrent_trials": 1200,
        "elapsed_s": 67.25,
        "trials_per_s": 18.349,
        "residual_risk": None,
    }
    return RunStatistics(**(values | members))  # type: ignore[arg-type]


VIOLATED = Run(
    verdict=Verdict.VIOLATED,
    reason="the time limit of 60 s was reached",
    findings=(CRASH, INVARIANT),
    statistics=statistics(),
    seed=42,
    unsaved=("finding invariant-bbbbbbbbbbbb could not be saved (No space left on device)",),
)
HOLDS = Run(
    verdict=Verdict.HOLDS,
    reason="all 1234 trials are done",
    findings=(),
    statistics=statistics(conditions={"finished": 1234}, residual_risk=0.00243),
    seed=42,
)
UNKNOWN = Run(
    verdict=Verdict.UNKNOWN,
    reason="interrupted; no trial finished, so nothing was explored",
    findings=(),
    statistics=statistics(
        trials=0, conditions={}, operations=0, threads_max=0, concurrent_trials=0, elapsed_s=0.4
    ),
    seed=42,
)


class Tape:
    """Writes a trace: every step is a task, what it was about to do, to what, and in which line."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._occurrences: dict[tuple[object, ...], int] = {}

    def step(
        self,
        task: int,
        operation: str,
        subject: str = "",
        line: int = 0,
        *,
        function: str = "main",
        ready: tuple[int, ...] = (),
        preempts: str = "",
        value: str = "",
    ) -> None:
        kind, _, name = operation.partition(":")
        key = (task, kind, name, function)
        self._occurrences[key] = self._occurrences.get(key, 0) + 1
        frame = Frame("/src/bank.py", line, function) if line else None
        preempted = None
        if preempts:
            about, _, what = preempts.partition(":")
            preempted = Anchor(about, what, self._function(self.events[-1]), 1)
        self.events.append(
            Event(
                step=len(self.events),
                task=task,
                anchor=Anchor(kind, name, function if line else "", self._occurrences[key]),
                subject=subject,
                ready=ready or (task,),
                frame=frame,
                preempted=preempted,
                value=value,
            )
        )

    @staticmethod
    def _function(event: Event) -> str:
        return event.frame.function if event.frame else ""


def lost_update() -> Finding:
    """Two payers read the same balance before either writes."""
    tape = Tape()
    step = tape.step
    step(0, "begin")
    for _ in range(5):
        step(0, "iterate", "list 1", 15)
    step(0, "start:Thread", "Thread 2", 15)
    step(0, "start:Thread", "Thread 4", 15, ready=(0, 1))
    step(1, "begin", ready=(0, 1, 2), preempts="iterate")
    pay = {"function": "Account.pay"}
    three, two = {"ready": (0, 1, 2), **pay}, {"ready": (0, 1), **pay}
    step(1, "read:balance", "Account 3", 9, value="100", **three)
    step(2, "begin", ready=(0, 1, 2), preempts="write:balance")
    step(2, "read:balance", "Account 3", 9, value="100", **three)
    step(2, "write:balance", "Account 3", 9, value="102", **three)
    step(2, "read:log", "Account 3", 10, value="[]", **three)
    step(2, "call:append", "list 5", 10, value="[2]", **three)
    step(1, "write:balance", "Account 3", 9, value="101", **two)
    step(1, "read:log", "Account 3", 10, value="[2]", **two)
    step(1, "call:append", "list 5", 10, value="[2, 1]", **two)
    step(0, "join:Thread", "task 1", 16)
    step(0, "join:Thread", "task 2", 16)
    step(0, "read:balance", "Account 3", 17, value="101")
    frames = [["/src/bank.py", 9, "Account.pay"], ["/src/bank.py", 12, "Payer.run"]]
    return controlled(
        tape,
        kind=FindingKind.EXCEPTION,
        message="AssertionError: 101, in task 0 at main (bank.py:17)",
        fingerprint="d" * 64,
        place="AssertionError bank.py:main",
        threads=(ThreadStack("task 0", (Frame("/src/bank.py", 17, "main"),), current=True),),
        details={
            "tasks": {"1": "payer-1", "2": "payer-2"},
            "ends": [end(0, "AssertionError: 101", 17, over=True)],
            "found_by": "rff",
            "shrunk": {"executions": 9, "preemptions_before": 5, "switches_before": 7},
            "conflict": [{"step": 12, "frames": frames}, {"step": 15, "frames": frames}],
        },
        replay_command="hermes-stress replay .stress/findings/exception-dddddddddddd",
        directory=".stress/findings/exception-dddddddddddd",
    )


def end(task: int, text: str, line: int, **more: object) -> dict[str, object]:
    return {"task": task, "text": text, "file": "/src/bank.py", "line": line, **more}


def deadlock() -> Finding:
    """Two tasks with two locks, each with the other's."""
    tape = Tape()
    step = tape.step
    step(0, "begin")
    step(0, "start:Thread", "Thread 1", 28)
    step(0, "start:Thread", "Thread 2", 28, ready=(0, 1))
    step(1, "begin", ready=(0, 1, 2), preempts="join:Thread")
    step(1, "acquire:Lock", "Lock 3", 22, function="one", ready=(0, 1, 2))
    step(2, "begin", ready=(0, 1, 2), preempts="acquire:Lock")
    step(2, "acquire:Lock", "Lock 4", 25, function="two", ready=(0, 1, 2))
    waits = [
        "task 0 in main (bank.py:29) waits for the end of task 1",
        "task 1 in one (bank.py:23) waits to acquire Lock 4, which task 2 holds (and holds Lock 3)",
        "task 2 in two (bank.py:26) waits to acquire Lock 3, which task 1 holds (and holds Lock 4)",
    ]
    return controlled(
        tape,
        kind=FindingKind.DEADLOCK,
        message=f"deadlock: {waits[1]}, and {waits[2]}",
        fingerprint="e" * 64,
        place="bank.py:one + bank.py:two",
        threads=tuple(
            ThreadStack(f"task {n}", (Frame("/src/bank.py", line, name),), current=n > 0)
            for n, line, name in ((0, 29, "main"), (1, 23, "one"), (2, 26, "two"))
        ),
        details={
            "tasks": {},
            "waits": waits,
            "cycle": [1, 2],
            "ends": [
                end(0, "waits for the end of task 1", 29, subjects=["task 1"]),
                end(1, "waits to acquire Lock 4", 23, subjects=["Lock 4", "Lock 3"]),
                end(2, "waits to acquire Lock 3", 26, subjects=["Lock 3", "Lock 4"]),
            ],
        },
        replay_command="stress.replay(program, 'kept/deadlock-eeeeeeeeeeee')",
        directory="kept/deadlock-eeeeeeeeeeee",
    )


def crowded(tasks: int = 12, rounds: int = 30) -> Finding:
    """More tasks than columns, and more steps than anybody reads."""
    tape = Tape()
    everybody = tuple(range(tasks + 1))
    tape.step(0, "begin")
    for number in range(tasks):
        tape.step(0, "start:Thread", f"Thread {number}", 3, ready=everybody[: number + 1])
    for _ in range(rounds):
        for task in everybody[1:]:
            preempts = "write item" if tape.events[-1].task else "join:Thread"
            for kind in ("read item", "write item"):
                first = preempts if kind == "read item" else ""
                tape.step(task, kind, "dict 1", 7, function="work", ready=everybody, preempts=first)
    return controlled(
        tape,
        kind=FindingKind.INVARIANT,
        message="invariant 'balanced' does not hold, in task 0",
        fingerprint="f" * 64,
        details={"ends": [end(0, "invariant 'balanced' does not hold", 30)], "note": "twice"},
        replay_command="stress.replay(program, finding)",
    )


def controlled(tape: Tape, **members: object) -> Finding:
    values: dict[str, object] = {
        "workload": "bank:main",
        "target": "bank",
        "seed": 7,
        "trial": 3,
        "settings": {"targets": ["bank"], "carrier": "greenlet", "step_limit": 100000},
        "python": CRASH.python,
        "tool_version": "0.1.0",
        "schedule": schedule_of(7, tape.events),
        "trace": tuple(tape.events),
    }
    return Finding(**(values | members))  # type: ignore[arg-type]


LOST_UPDATE, DEADLOCK, CROWDED = lost_update(), deadlock(), crowded()


def counts(**members: object) -> Statistics:
    values: dict[str, object] = {
        "executions": 1000,
        "steps": 25_000,
        "context_switches": 11_117,
        "preemptions": 7074,
        "tasks_max": 5,
        "elapsed_s": 0.257,
        "executions_per_s": 3889.7,
        "clean_executions": 1000,
    }
    return Statistics(**(values | members))  # type: ignore[arg-type]


EXPLORED = Exploration(
    Verdict.HOLDS,
    "all 1000 executions are done",
    (),
    counts(coverage=Coverage(interleavings=913, reads_from=68, orders=1138, last_new=987)),
)
EXPLORED_VIOLATED = Exploration(
    Verdict.VIOLATED,
    "the first finding was asked for",
    (LOST_UPDATE,),
    counts(executions=1, clean_executions=0, tasks_max=3),
    ("no function of target 'shpo' was instrumented: is it the right name?",),
)
EXPLORED_UNKNOWN = Exploration(
    Verdict.UNKNOWN,
    "no execution ever had two ready tasks, so nothing was explored",
    (),
    counts(steps=0, context_switches=0, preemptions=0, tasks_max=1),
)
