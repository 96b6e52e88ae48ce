"""Programs, strategies and moments that are out to break the engine."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stress.controlled import laboratory
from stress.engine.outcome import Ending
from stress.errors import ScheduleDiverged
from stress.exploration import explore, replay
from stress.finding import FindingKind, Verdict
from stress.schedule import Schedule
from stress.strategies.random_walk import RandomWalk
from stress.strategy import Pending
from tests.stress.engine.carriers import CARRIERS
from tests.stress.engine.programs import together

# -- loops that spin ------------------------------------------------------------------------------


class Stubborn:
    """Unfair: goes on with task 1, which spins, for as long as it may."""

    def __init__(self) -> None:
        self.walk = RandomWalk(0)

    def begin(self, execution: int) -> bool:
        return self.walk.begin(execution)

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        return 1 if 1 in ready else self.walk.choose(ready, pending, current)


class Shared:
    def __init__(self) -> None:
        self.flag = False
        self.lock = threading.Lock()
        self.items: queue.Queue[int] = queue.Queue()


def by_flag(shared: Shared) -> None:
    while not shared.flag:
        time.sleep(0)


def by_flag_alone(shared: Shared) -> None:
    while not shared.flag:
        pass


def by_deadline(shared: Shared) -> None:
    end = time.monotonic() + 5.0
    while not shared.flag and time.monotonic() < end:
        pass


def by_lock(shared: Shared) -> None:
    while not shared.lock.acquire(False):
        pass
    shared.lock.release()


def by_queue(shared: Shared) -> None:
    while True:
        try:
            shared.items.get_nowait()
            return
        except queue.Empty:
            pass


SPINS = (by_flag, by_flag_alone, by_deadline, by_lock, by_queue)


def spinning(spin: Callable[[Shared], None], *, ends: bool) -> Callable[[], None]:
    def program() -> None:
        shared = Shared()
        shared.lock.acquire()

        def free() -> None:
            if ends:
                shared.flag = True
                shared.items.put(1)
                shared.lock.release()

        together(lambda: spin(shared), free)

    return program


@pytest.mark.parametrize("strategy", [RandomWalk(0), Stubborn()], ids=["random", "unfair"])
@pytest.mark.parametrize("spin", SPINS, ids=lambda spin: spin.__name__)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_spins_until_another_comes_comes_to_its_end(
    carrier: str, spin: Callable[[Shared], None], strategy: RandomWalk
) -> None:
    program = spinning(spin, ends=True)
    exploration = explore(
        program, strategy=strategy, executions=5, step_limit=20_000, carrier=carrier
    )
    assert exploration.findings == ()
    assert exploration.verdict is Verdict.HOLDS, exploration.reason


@pytest.mark.parametrize("strategy", [RandomWalk(0), Stubborn()], ids=["random", "unfair"])
@pytest.mark.parametrize("spin", [by_flag, by_flag_alone, by_lock, by_queue])
def test_who_spins_for_nothing_starves(
    spin: Callable[[Shared], None], strategy: RandomWalk
) -> None:
    exploration = explore(
        spinning(spin, ends=False), strategy=strategy, executions=2, step_limit=4_000
    )
    assert exploration.verdict is Verdict.VIOLATED, exploration.reason
    assert exploration.findings[0].kind is FindingKind.STARVATION


def spinning_for_long(spinners: int) -> Callable[[], None]:
    """Who sets the flag that they spin for has much to do before."""

    def program() -> None:
        shared, lock = Shared(), threading.Lock()

        def free() -> None:
            for _ in range(60):
                with lock:
                    pass
            shared.flag = True

        together(*[lambda: by_flag_alone(shared)] * spinners, free)

    return program


@pytest.mark.parametrize("strategy", ["pct", "rff", "pos", "surw", "dpor", "portfolio"])
def test_two_that_spin_leave_the_turn_to_whom_they_wait_for(strategy: str) -> None:
    """Neither to each other, nor for a single step."""
    program = spinning_for_long(2)
    for seed in range(5):
        exploration = explore(
            program, strategy=strategy, seed=seed, executions=20, step_limit=20_000
        )
        assert exploration.verdict is Verdict.HOLDS, (seed, exploration.reason)


def test_who_is_never_chosen_does_not_make_others_starve() -> None:
    """Where the limit comes before those that spin are found to, nobody knows."""
    exploration = explore(spinning_for_long(1), strategy=Stubborn(), executions=1, step_limit=260)
    assert exploration.findings == ()
    assert exploration.verdict is Verdict.UNKNOWN
    assert "came to the step limit of 260; is there a loop that spins?" in exploration.reason


def test_who_spins_until_a_moment_is_done_when_it_comes() -> None:
    exploration = explore(spinning(by_deadline, ends=False), executions=5)
    assert exploration.verdict is Verdict.HOLDS, exploration.reason


# -- code that runs at odd moments ----------------------------------------------------------------


@pytest.mark.parametrize("carrier", CARRIERS)
def test_finalizers_and_callbacks_that_take_locks(carrier: str) -> None:
    def program() -> None:
        lock, ended = threading.Lock(), []

        class Closing:
            def __del__(self) -> None:
                with lock:
                    ended.append("del")

        def called(_: object) -> None:
            with lock:
                ended.append("callback")

        def items() -> object:
            try:
                yield
            finally:
                with lock:
                    ended.append("generator")

        def work() -> None:
            closing = Closing()
            reference = weakref.ref(closing, called)
            generator = iter(items())  # type: ignore[call-overload]
            next(generator)
            del closing, generator
            assert reference() is None

        together(work, work)
        assert sorted(ended) == sorted(["del", "callback", "generator"] * 2)

    exploration = explore(program, executions=100, carrier=carrier)
    assert exploration.verdict is Verdict.HOLDS, (exploration.reason, exploration.findings)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_catches_everything_for_ever_is_left(carrier: str) -> None:
    if carrier == "thread":
        pytest.skip("the thread would be left in this process: the kit for carriers ends it")

    def program() -> None:
        lock = threading.Lock()
        lock.acquire()

        def for_ever() -> None:
            while True:
                try:
                    lock.acquire()
                except BaseException:
                    pass

        together(for_ever)

    exploration = explore(program, executions=3, carrier=carrier)
    assert exploration.findings[0].kind is FindingKind.DEADLOCK


# -- size -----------------------------------------------------------------------------------------


def test_a_thousand_tasks() -> None:
    def program() -> None:
        lock, box = threading.Lock(), [0]

        def work() -> None:
            with lock:
                box[0] += 1

        together(*[work] * 1000)
        assert box == [1000]

    exploration = explore(program, executions=2, step_limit=1_000_000)
    assert exploration.verdict is Verdict.HOLDS, exploration.reason
    assert exploration.statistics.tasks_max == 1001


def test_each_starts_the_next() -> None:
    """Nobody stands on the stack of who started it."""

    def program() -> None:
        done = []

        def work(left: int) -> None:
            done.append(left)
            if left:
                thread = threading.Thread(target=work, args=(left - 1,))
                thread.start()
                thread.join()

        work(700)
        assert len(done) == 701

    exploration = explore(program, executions=2, strategy="random", step_limit=1_000_000)
    assert not exploration.findings, exploration.reason
    assert exploration.statistics.tasks_max == 701


def test_a_hundred_thousand_steps() -> None:
    def program() -> None:
        lock = threading.Lock()

        def work() -> None:
            for _ in range(50_000):
                with lock:
                    pass

        together(work, work)

    walk = RandomWalk(0)
    with laboratory(program, ("json",), "auto") as lab:
        outcome = lab.execute(program, walk, seed=0, step_limit=10_000_000)
    assert outcome is not None
    assert outcome.ending is Ending.FINISHED
    assert outcome.steps >= 100_000


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_deadlock_of_fifty_tasks(carrier: str) -> None:
    def program() -> None:
        locks = [threading.Lock() for _ in range(50)]
        everybody = threading.Barrier(50)

        def work(number: int) -> None:
            with locks[number]:
                everybody.wait()
                with locks[(number + 1) % 50]:
                    pass

        together(*(lambda number=number: work(number) for number in range(50)))

    exploration = explore(program, executions=1, carrier=carrier)
    (finding,) = exploration.findings
    assert finding.kind is FindingKind.DEADLOCK
    assert sorted(finding.details["cycle"]) == list(range(1, 51))


# -- where it is called ---------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", CARRIERS)
def test_from_another_thread(carrier: str) -> None:
    verdicts: list[Verdict] = []

    def program() -> None:
        together(int, int)

    def work() -> None:
        verdicts.append(explore(program, executions=20, carrier=carrier).verdict)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert verdicts == [Verdict.HOLDS]


INTERRUPTED = """
import sys, threading, time
from stress.exploration import explore

def program():
    lock = threading.Lock()
    def work():
        for _ in range(50):
            with lock:
                pass
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

def tell(progress):
    if progress.executions > 20 and not told:
        told.append(1)
        print("under way", flush=True)

told = []
sleep = time.sleep
exploration = explore(program, executions=10_000_000, carrier=sys.argv[1], on_progress=tell)
assert time.sleep is sleep
print(exploration.verdict.value, exploration.reason, threading.active_count())
"""


@pytest.mark.parametrize("carrier", CARRIERS)
def test_ctrl_c_in_the_middle(carrier: str, tmp_path: Path) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED, "utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), carrier],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "under way\n"
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (output.strip(), errors) == ("unknown interrupted 1", "")
    assert child.returncode == 0


# -- replay across edits and versions -------------------------------------------------------------

PROGRAM = """
import threading

def program():
    lock, box = threading.Lock(), [0]

    def work():
        with lock:
            seen = box[0]
        with lock:
            box[0] = seen + 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [2]
"""
EDITED = PROGRAM.replace("import threading", "import threading\n\nUNRELATED = 1\n").replace(
    "    lock, box", "    # A word on what this is.\n    unrelated = UNRELATED + 1\n    lock, box"
)
#: Of many kinds of operations; the last assertion holds as long as nobody goes in between.
RICH = """
import threading
from collections import deque
from queue import Queue

total = 0

class Account:
    def __init__(self):
        self.balance = 0
        self.log = deque()
        self.by_name = {}

    @property
    def rich(self):
        return self.balance > 1

    def deposit(self, name):
        global total
        self.by_name[name] = self.by_name.get(name, 0) + 1
        self.log.append(name)
        total += 1
        self.balance += 1

def program():
    global total
    total = 0
    account, done = Account(), Queue()
    seen = []

    def work(name):
        for number in range(2):
            account.deposit(f"{name}{number}")
        seen.extend(len(entry) for entry in list(account.log))
        done.put([key for key in sorted(account.by_name) if key.startswith(name)])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    found = done.get() + done.get()
    for thread in threads:
        thread.join()
    assert account.rich and len(found) == 4
    assert (account.balance, total) == (4, 4)
"""
CHANGED = PROGRAM.replace("with lock:\n            box[0] =", "if True:\n            box[0] =")
REPLAY = """
import json, sys
from pathlib import Path
from stress.exploration import explore, replay
from stress.schedule import Schedule
import victim

file = Path(sys.argv[2])
if sys.argv[1] == "record":
    file.write_text(json.dumps(explore(victim.program).findings[0].schedule.to_json()))
else:
    schedule = Schedule.from_json(json.loads(file.read_text()))
    finding = replay(victim.program, schedule).findings[0]
    print(finding.kind.value, [e.task for e in finding.trace if len(e.ready) > 1])
"""


def run(python: str, directory: Path, source: str, what: str) -> str:
    (directory / "victim.py").write_text(source, "utf-8")
    (directory / "run.py").write_text(REPLAY, "utf-8")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "run.py", what, "schedule.json"],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_a_replay_survives_an_unrelated_edit(tmp_path: Path) -> None:
    assert run(sys.executable, tmp_path, PROGRAM, "record") == ""
    before = run(sys.executable, tmp_path, PROGRAM, "replay")
    assert before.startswith("exception [")
    assert run(sys.executable, tmp_path, EDITED, "replay") == before
    assert "ScheduleDiverged: " in run(sys.executable, tmp_path, CHANGED, "replay")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_replay_on_another_python(version: str, tmp_path: Path) -> None:
    found = os.environ.get(f"STRESS_TEST_PYTHON_{version}") or shutil.which(f"python{version}")
    asked = found and subprocess.run(
        [found, "-c", "import stress, greenlet, bytecode"], check=False
    )
    if not asked or asked.returncode:
        pytest.skip(f"no Python {version} here that has this package")
    assert run(sys.executable, tmp_path, PROGRAM, "record") == ""
    here = run(sys.executable, tmp_path, PROGRAM, "replay")
    assert here.startswith("exception [")
    assert run(str(found), tmp_path, PROGRAM, "replay") == here


SCHEDULES = Path(__file__).parent / "schedules"


def record_here() -> None:
    """What wrote `schedules`: run by each Python, from the root of the repository, as `python -c
    "from tests.stress.engine.test_adversarial import record_here; record_here()"`."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as directory:
        for name, source in (("small", PROGRAM), ("rich", RICH)):
            assert run(sys.executable, Path(directory), source, "record") == ""
            schedule = json.loads((Path(directory) / "schedule.json").read_text("utf-8"))
            told = run(sys.executable, Path(directory), source, "replay")
            kept = {"told": told, "schedule": schedule}
            file = SCHEDULES / f"{name}-{version}.json"
            file.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", ["small", "rich"])
def test_a_schedule_from_another_python(name: str, version: str, tmp_path: Path) -> None:
    kept = json.loads((SCHEDULES / f"{name}-{version}.json").read_text("utf-8"))
    (tmp_path / "schedule.json").write_text(json.dumps(kept["schedule"]), "utf-8")
    source = {"small": PROGRAM, "rich": RICH}[name]
    assert run(sys.executable, tmp_path, source, "replay") == kept["told"]


def test_a_schedule_that_asks_for_too_much_says_so() -> None:
    exploration = explore(
        spinning(by_flag, ends=False),
        strategy="random",
        executions=1,
        step_limit=2_000,
        shrink=False,
    )
    schedule = exploration.findings[0].schedule
    assert schedule is not None
    again = Schedule.from_json(json.loads(json.dumps(schedule.to_json())))
    with pytest.raises(
        ScheduleDiverged, match=r"switch \d: expected that when task 1 is about to .* found that"
    ):
        replay(lambda: together(int, int, int), again)
