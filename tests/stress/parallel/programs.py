"""Programs for the sandbox: one for each way of ending. Run in a forked process of a host only."""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stress.trial import Recorder, Trial

Report = Mapping[str, Any]

prepared: list[int] = []


def prepare() -> None:
    prepared.append(os.getpid())


def finish(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(0, "double"):
        return {"doubled": 2 * trial.payload.get("number", trial.index)}


def tell(trial: Trial, recorder: Recorder) -> Report:
    """What the program sees of its sandbox."""
    directory = Path(os.environ["STRESS_TRIAL_DIRECTORY"])
    (directory / "left.txt").write_text("left")
    return {
        "prepared": [process == os.getppid() for process in prepared],
        "directory": str(directory),
        "leads_session": os.getsid(0) == os.getpid(),
        "stdin": sys.stdin.read(),
        "environment": os.environ.get("FOR_THE_PROGRAM"),
        "hash_seed": os.environ["PYTHONHASHSEED"],
    }


def judge_itself(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(0, "look"):
        print("looked at", trial.index)
    return {"violations": ["bad"] if trial.payload["bad"] else []}


def raise_error(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(7, "session.append"):
        raise KeyError("no such session")


def report_nonsense(trial: Trial, recorder: Recorder) -> Report:
    return {"thread": threading.current_thread()}


def exit_by_exception(trial: Trial, recorder: Recorder) -> Report:
    sys.exit(trial.payload["code"])


def exit_at_once(trial: Trial, recorder: Recorder) -> Report:
    print("said before the end", flush=True)
    with recorder.operation(1, "leave"):
        os._exit(3)


def exit_in_thread(trial: Trial, recorder: Recorder) -> Report:
    """`sys.exit` in a thread ends that thread and nothing else."""
    in_thread(lambda: sys.exit(5))
    return {"alive": True}


def exit_at_once_in_thread(trial: Trial, recorder: Recorder) -> Report:
    in_thread(lambda: os._exit(4))
    return {}


def abort(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(2, "abort"):
        os.abort()


def kill_itself(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(2, "kill"):
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
    return {}


def kill_host(trial: Trial, recorder: Recorder) -> Report:
    """The host's death takes this process with it."""
    if not trial.payload.get("kill"):
        return {}
    with recorder.operation(2, "kill host"):
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return {}


def stop_host(trial: Trial, recorder: Recorder) -> Report:
    if trial.payload.get("stop"):
        os.kill(os.getppid(), signal.SIGSTOP)
    return {}


def close_connection_in_use(trial: Trial, recorder: Recorder) -> Report:
    """A connection closed in one thread while another executes on it: SIGSEGV in CPython."""
    ready = threading.Barrier(2)
    while True:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.execute("create table t (a)")
        connection.executemany("insert into t values (?)", [(i,) for i in range(200)])

        def execute(connection: sqlite3.Connection = connection) -> None:
            with contextlib.suppress(sqlite3.Error, SystemError):
                with recorder.operation(1, "execute"):
                    ready.wait()
                    for _ in range(100):
                        connection.execute("select count(*) from t a, t b").fetchall()

        thread = threading.Thread(target=execute, name="executes")
        thread.start()
        with contextlib.suppress(sqlite3.Error, SystemError):
            with recorder.operation(2, "close"):
                ready.wait()
                time.sleep(0.002)
                connection.close()
        thread.join()


def share_cursor(trial: Trial, recorder: Recorder) -> Report:
    """One cursor used by several threads: SIGSEGV in CPython."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("create table t (a)")
    connection.executemany("insert into t values (?)", [(i,) for i in range(50)])
    cursor = connection.cursor()

    def use_cursor() -> None:
        while True:
            with contextlib.suppress(sqlite3.Error, SystemError, ValueError):
                with recorder.operation(1, "cursor.execute"):
                    cursor.execute("select a from t where a > ?", (3,)).fetchall()

    in_threads(use_cursor, 4)
    return {}


def print_while_redirect_ends(trial: Trial, recorder: Recorder) -> Report:
    """`print` holds a borrowed reference to the stream that `redirect_stdout` lets go."""
    inside, released = threading.Event(), threading.Event()

    class Writer:
        """A stream in Python, as agents have it: the thread may be switched inside a write."""

        def write(self, text: str) -> int:
            inside.set()
            released.wait(10)
            return len(text)

        def flush(self) -> None:
            pass

    def print_line() -> None:
        with recorder.operation(1, "print"):
            print("a", "b", "c")

    thread = threading.Thread(target=print_line, name="prints")
    with contextlib.redirect_stdout(Writer()):  # type: ignore[type-var]
        thread.start()
        inside.wait(10)
    gc.collect()
    occupied = [{str(n): n} for n in range(1000)]  # Where the writer was.
    released.set()
    thread.join()
    return {"occupied": len(occupied)}


def hold_gil(trial: Trial, recorder: Recorder) -> Report:
    with recorder.operation(4, "hold the GIL"):
        consume_for_ever()
    return {}


def consume_for_ever() -> None:
    """Nothing but C code: it lets no other thread run and looks at no signal."""
    collections.deque(itertools.repeat(0), maxlen=0)


def ignore_dump_signal(trial: Trial, recorder: Recorder) -> Report:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    consume_for_ever()
    return {}


def stop_itself(trial: Trial, recorder: Recorder) -> Report:
    os.kill(os.getpid(), signal.SIGSTOP)
    consume_for_ever()
    return {}


def deadlock(trial: Trial, recorder: Recorder) -> Report:
    first, second = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)

    def take_first_then_second() -> None:
        with recorder.operation(1, "first then second"), first:
            both.wait()
            with second:
                pass

    def take_second_then_first() -> None:
        with recorder.operation(2, "second then first"), second:
            both.wait()
            with first:
                pass

    threads = [
        threading.Thread(target=take_first_then_second, name="ann"),
        threading.Thread(target=take_second_then_first, name="bob"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {}


def exhaust_memory(trial: Trial, recorder: Recorder) -> Report:
    kept = []
    with recorder.operation(3, "allocate"):
        while True:
            kept.append(bytearray(4 * 1024 * 1024))


def recurse(trial: Trial, recorder: Recorder) -> Report:
    return {"depth": recurse(trial, recorder)}


def overflow_c_stack(trial: Trial, recorder: Recorder) -> Report:
    sys.setrecursionlimit(10**9)
    with recorder.operation(5, "overflow"):
        nested: Any = None
        for _ in range(1_000_000):
            nested = (nested,)
        hash_deep(nested)
    return {}


def hash_deep(nested: Any) -> int:
    """Hashing a tuple hashes its items in C, without any check of the stack."""
    return hash(nested)


def leave_grandchildren(trial: Trial, recorder: Recorder) -> Report:
    """One in this session, one that left it; both hold the standard output."""
    code = "import time; time.sleep(600)"
    here = subprocess.Popen([sys.executable, "-c", code])
    away = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    processes = [here.pid, away.pid]
    here.returncode = away.returncode = 0  # Not ours to wait for any more.
    if trial.payload.get("then") == "hang":
        Path(trial.payload["tell"]).write_text(" ".join(map(str, [os.getpid(), *processes])))
        signal.pause()
    return {"processes": processes}


def fork_and_return(trial: Trial, recorder: Recorder) -> Report:
    """The forked process comes out of the program as well, and must not report."""
    process = os.fork()
    if process:
        os.waitpid(process, 0)
    return {"is_parent": process != 0}


def close_streams(trial: Trial, recorder: Recorder) -> Report:
    os.closerange(0, 3)
    return {"closed": True}


def close_everything(trial: Trial, recorder: Recorder) -> Report:
    os.closerange(0, 1000)
    return {"closed": True}


def print_much(trial: Trial, recorder: Recorder) -> Report:
    for number in range(40_000):
        print(f"line {number:06}", "x" * 100)
        print(f"error {number:06}", file=sys.stderr)
    if trial.payload.get("then") == "abort":
        os.abort()
    return {}


def misbehave(trial: Trial, recorder: Recorder) -> Report:
    """1 % crash, 0.5 % hang, by index."""
    with recorder.operation(trial.index, "work"):
        if trial.index % 100 == 50:
            os.kill(os.getpid(), signal.SIGSEGV)
        if trial.index % 200 == 77:
            consume_for_ever()
    return {"index": trial.index}


def fill_disk(trial: Trial, recorder: Recorder) -> Report:
    """As if it were full: nothing more can be written, not even the report."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return {"lost": "this"}


def fail_at_start() -> None:
    print("no luck today", file=sys.stderr, flush=True)
    os._exit(9)


def raise_at_start() -> None:
    raise RuntimeError("not today")


def limit_file_sizes() -> None:
    """Less than a flight recorder needs."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))


def start_thread_at_start() -> None:
    threading.Thread(target=time.sleep, args=(600,), name="early bird", daemon=True).start()


def in_thread(target: Callable[[], object]) -> None:
    in_threads(target, 1)


def in_threads(target: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=target, name=f"worker {n}") for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
