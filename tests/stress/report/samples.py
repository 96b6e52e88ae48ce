"""Findings and runs that look like real ones, for the tests of reports."""

from __future__ import annotations

from stress.api import Run, RunStatistics
from stress.finding import Finding, FindingKind, Frame, RecordedOperation, ThreadStack, Verdict

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
