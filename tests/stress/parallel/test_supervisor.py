"""The supervisor: one record for every trial, whatever becomes of its hosts and of itself."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stress.errors import HarnessFault, InvalidArgument
from stress.parallel import supervisor as supervisor_module
from stress.parallel.supervisor import Supervisor
from stress.trial import Condition, Trial
from tests.stress.parallel.runs import (
    PROGRAMS,
    innermost,
    marked,
    phases,
    run_many,
    run_one,
    supervising,
    wait_until,
)


def test_every_trial_has_one_record_with_several_jobs(tmp_path: Path) -> None:
    records = run_many(tmp_path, "finish", [{"number": n} for n in range(40)], jobs=3)
    assert sorted(record.trial.index for record in records) == list(range(40))
    assert all(record.report == {"doubled": 2 * record.trial.index} for record in records)


def test_what_a_program_sees(tmp_path: Path) -> None:
    record = run_one(
        tmp_path,
        "tell",
        settings={"prepare": f"{PROGRAMS}:prepare"},
        environment={"FOR_THE_PROGRAM": "this"},
    )
    report = dict(record.report)
    directory = Path(report.pop("directory"))
    assert report == {
        "prepared": [True],
        "leads_session": True,
        "stdin": "",
        "environment": "this",
        "hash_seed": os.environ.get("PYTHONHASHSEED", "0"),
    }
    assert directory.is_relative_to(tmp_path)
    assert not directory.exists()


def test_only_as_many_trials_are_pulled_as_hosts_can_take(tmp_path: Path) -> None:
    pulled = 0

    def endless() -> Iterator[Trial]:
        nonlocal pulled
        for index in itertools.count():
            pulled += 1
            yield Trial(index, index)

    with supervising(tmp_path, "finish", jobs=2) as supervisor:
        records = supervisor.run(endless())
        assert [record.condition for record in itertools.islice(records, 5)] == (
            [Condition.FINISHED] * 5
        )
        records.close()
    assert 5 <= pulled <= 5 + 2 * 2


def test_a_supervisor_runs_again_after_its_iterator_was_closed(tmp_path: Path) -> None:
    with supervising(tmp_path, "finish", jobs=2) as supervisor:
        for _ in range(2):
            records = supervisor.run(Trial(n, n) for n in itertools.count())
            assert next(records).condition is Condition.FINISHED
            records.close()
        assert len(list(supervisor.run([Trial(0, 0)]))) == 1
        assert list(supervisor.run([])) == []


def test_ticks_come_while_a_trial_runs(tmp_path: Path) -> None:
    ticks: list[float] = []
    with supervising(tmp_path, "hold_gil", trial_timeout_s=2.0) as supervisor:
        list(supervisor.run([Trial(0, 0)], tick=lambda: ticks.append(time.monotonic())))
    # At least every 0.2 s would be 10; a busy machine is given half.
    assert len(ticks) >= 5


@pytest.mark.parametrize("bad", [True, False])
def test_evidence_of_a_finished_trial_is_kept_if_its_report_asks(tmp_path: Path, bad: bool) -> None:
    record = run_one(tmp_path, "judge_itself", {"bad": bad}, settings={"keep": "violations"})
    assert record.condition is Condition.FINISHED
    assert bool(record.artifacts) is bad
    assert record.stdout_tail == ("looked at 0\n" if bad else "")
    assert len(record.operations) == (2 if bad else 0)
    left = list((tmp_path / "sandbox").glob("trial-*"))
    assert [str(directory) for directory in left] == ([record.artifacts] if bad else [])


def test_artifacts_of_a_crash(tmp_path: Path) -> None:
    record = run_one(tmp_path, "abort")
    names = {path.name for path in Path(record.artifacts).iterdir()}
    assert names == {"faulthandler.txt", "recorder.bin", "stderr.txt", "stdout.txt"}


def test_a_host_killed_with_its_trial(tmp_path: Path) -> None:
    payloads = [{"kill": number in (3, 4)} for number in range(8)]
    records = run_many(tmp_path, "kill_host", payloads, jobs=2)
    assert sorted(record.trial.index for record in records) == list(range(8))
    lost = [record for record in records if record.condition is not Condition.FINISHED]
    assert sorted(record.trial.index for record in lost) == [3, 4]
    for record in lost:
        assert (record.condition, record.signal, record.exit_code) == (
            Condition.CRASHED,
            None,
            None,
        )
        assert record.note == ("the sandbox host was lost with this trial: it was ended by SIGKILL")
        assert phases(record) == [("MainThread", "begin", "kill host")]


def test_a_host_killed_between_two_trials(tmp_path: Path) -> None:
    with supervising(tmp_path, "finish") as supervisor:
        records = supervisor.run(Trial(n, n) for n in range(2))
        assert next(records).condition is Condition.FINISHED
        assert next(records).condition is Condition.FINISHED
        (host,) = supervisor._hosts
        os.kill(host.process.pid, signal.SIGKILL)
        host.process.wait()
        assert [r.condition for r in supervisor.run([Trial(2, 2)])] == [Condition.FINISHED]


def test_a_host_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "OVERDUE_S", 0.5)
    payloads = [{"stop": number == 1} for number in range(3)]
    records = run_many(tmp_path, "stop_host", payloads, trial_timeout_s=1.0)
    conditions = {record.trial.index: record.condition for record in records}
    assert conditions == {0: Condition.FINISHED, 1: Condition.HUNG, 2: Condition.FINISHED}
    (hung,) = [record for record in records if record.condition is Condition.HUNG]
    assert hung.note == "the sandbox host gave no answer after the deadline and was ended"


@pytest.mark.parametrize(
    ("program", "settings", "message"),
    [
        ("no_such_module:run", {}, "cannot import 'no_such_module' of program"),
        (f"{PROGRAMS}:no_such", {}, "names no function; name it as module:function"),
        (f"{PROGRAMS}:finish", {"prepare": f"{PROGRAMS}:raise_at_start"}, "RuntimeError: not tod"),
        (f"{PROGRAMS}:finish", {"prepare": f"{PROGRAMS}:start_thread_at_start"}, "early bird"),
    ],
)
def test_a_program_that_cannot_be_run(
    tmp_path: Path, program: str, settings: dict[str, str], message: str
) -> None:
    supervisor = Supervisor(program, directory=tmp_path / "sandbox", settings=settings, jobs=2)
    with pytest.raises(InvalidArgument, match=message), supervisor:
        pass


def test_a_host_that_cannot_start(tmp_path: Path) -> None:
    supervisor = Supervisor(
        f"{PROGRAMS}:finish",
        directory=tmp_path / "sandbox",
        settings={"prepare": f"{PROGRAMS}:fail_at_start"},
    )
    with pytest.raises(HarnessFault, match="exit code 9 at its start: no luck today"), supervisor:
        pass


def test_a_sandbox_that_cannot_be_set_up(tmp_path: Path) -> None:
    settings = {"prepare": f"{PROGRAMS}:limit_file_sizes"}
    with supervising(tmp_path, "finish", settings=settings) as supervisor:
        with pytest.raises(HarnessFault, match=r"sandbox of trial 0 failed: (?s:.)*File too large"):
            list(supervisor.run([Trial(0, 0)]))


@pytest.mark.parametrize(
    ("option", "value"), [("jobs", 0), ("trial_timeout_s", 0.0), ("memory_limit_mib", 0)]
)
def test_wrong_use(tmp_path: Path, option: str, value: float) -> None:
    with pytest.raises(InvalidArgument, match=f"{option} is {value}"):
        Supervisor(f"{PROGRAMS}:finish", directory=tmp_path, **{option: value})


SCRIPT = """
import sys
from pathlib import Path
from stress.parallel.supervisor import Supervisor
from stress.trial import Trial

directory = Path(sys.argv[1])
payload = {"then": "hang", "tell": str(directory / "told")}
with Supervisor(
    "tests.stress.parallel.programs:leave_grandchildren",
    directory=directory / "sandbox", jobs=2, trial_timeout_s=600,
) as supervisor:
    try:
        list(supervisor.run(Trial(n, n, payload) for n in range(2)))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_supervisor_leaves_no_process(tmp_path: Path, number: int) -> None:
    mark = f"STRESS_TEST_MARK={tmp_path}"
    name, _, value = mark.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "told").exists, "the trial runs")
    # The supervisor, two hosts, two trials, four grandchildren.
    wait_until(lambda: len(marked(mark)) == 9, "all are there")
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert (process.returncode, said) == (0, "interrupted\n")
        assert marked(mark) == set()
    else:
        assert process.returncode == -number
        wait_until(lambda: not marked(mark), "none is left")


@pytest.mark.slow
def test_a_thousand_trials_are_all_accounted_for(tmp_path: Path) -> None:
    records = run_many(tmp_path, "misbehave", [{}] * 1000, jobs=4, trial_timeout_s=2.0)
    assert sorted(record.trial.index for record in records) == list(range(1000))
    conditions = Counter(record.condition for record in records)
    assert conditions == {Condition.FINISHED: 985, Condition.CRASHED: 10, Condition.HUNG: 5}
    for record in records:
        index = record.trial.index
        if index % 100 == 50:
            assert (record.condition, record.signal) == (Condition.CRASHED, signal.SIGSEGV)
            assert innermost(record) == {"MainThread": "misbehave"}
        elif index % 200 == 77:
            assert record.condition is Condition.HUNG
            assert innermost(record) == {"MainThread": "consume_for_ever"}
        else:
            assert record.report == {"index": index}
