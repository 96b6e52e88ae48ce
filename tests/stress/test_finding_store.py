"""The store of findings: what is kept is whole, counted once, and refused with one sentence."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.errors import InvalidArgument
from stress.events import Anchor, Event
from stress.finding import Finding, FindingKind, Frame, RecordedOperation, ThreadStack
from stress.finding_format import TRACE_HEAD, TRACE_TAIL, decode_finding, encode_finding
from stress.finding_store import FINDING_FILE, REPLAY_FILE, FindingStore, SaveFailed
from stress.schedule import Schedule, Switch

FINDING = Finding(
    kind=FindingKind.CRASH,
    message="SIGSEGV in write (hermes/safe_stdio.py:41)",
    fingerprint="3fa9c1d2e4b5" + "0" * 52,
    place="hermes/safe_stdio.py:write",
    workload="console",
    mutant="redirect_stdout",
    target="hermes",
    seed=42,
    trial=17,
    plan={"workload": "console", "actors": []},
    settings={"size": 1, "noise": True, "trial_timeout_s": 30.0, "memory_limit_mib": None},
    python={"version": "3.11.7"},
    tool_version="0.1.0",
    condition="crashed",
    signal=11,
    threads=(ThreadStack("actor-1", (Frame("/x/hermes/safe_stdio.py", 41, "write"),), True),),
    operations=(RecordedOperation(1_000, "actor-1", 3, "begin", "console.print"),),
    stdout_tail="half a line \udc80",
    stderr_tail="§",
    details={"rows": [1, 2]},
    replay_command="hermes-stress replay crash-3fa9c1d2e4b5",
)


@pytest.fixture
def store(tmp_path: Path) -> FindingStore:
    return FindingStore(tmp_path / "findings")


def refused(store: FindingStore, reference: object) -> str:
    with pytest.raises(InvalidArgument) as caught:
        store.load(str(reference))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_finding_is_kept_with_everything(store: FindingStore, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    (artifacts / "faulthandler.txt").write_text("Fatal Python error")
    (artifacts / "recorder.bin").write_bytes(b"\0\1")
    (artifacts / "elsewhere").symlink_to("/etc/hostname")
    (artifacts / "directory").mkdir()
    kept = store.save(FINDING, artifacts)
    directory = store.directory / "crash-3fa9c1d2e4b5"
    assert kept == replace(
        FINDING, directory=str(directory), replay_command=f"hermes-stress replay {directory}"
    )
    assert store.load(kept.id) == kept
    assert store.list() == (kept,)
    assert sorted(path.name for path in directory.iterdir()) == [
        "faulthandler.txt",
        "finding.json",
        "recorder.bin",
        "replay.txt",
    ]
    assert (directory / "recorder.bin").read_bytes() == b"\0\1"
    assert (directory / "replay.txt").read_text() == kept.replay_command + "\n"
    written = json.loads((directory / FINDING_FILE).read_text())
    assert written["format_version"] == 1
    assert written["id"] == FINDING.id
    assert written["tool_version"] == "0.1.0"


def test_of_a_huge_raw_file_the_end_is_kept(store: FindingStore, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    with (artifacts / "stdout.txt").open("wb") as file:
        file.truncate(20 * 2**20)
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
    kept = Path(store.save(FINDING, artifacts).directory) / "stdout.txt"
    assert kept.stat().st_size == 16 * 2**20
    assert kept.read_bytes().endswith(b"the end")


def test_artifacts_that_are_gone_lose_nothing(store: FindingStore, tmp_path: Path) -> None:
    assert store.save(FINDING, tmp_path / "gone").count == 1


def test_the_same_defect_is_counted_and_keeps_its_first_evidence(store: FindingStore) -> None:
    store.save(FINDING)
    store.save(replace(FINDING, seed=1, message="SIGBUS", count=3))
    hang = replace(FINDING, kind=FindingKind.HANG, seed=2)
    kept = store.save(hang)
    assert (kept.count, kept.seed, kept.message, kept.kind) == (5, 42, FINDING.message, "crash")
    assert store.list() == (kept,)


WRITE = Anchor("write", "balance", "Account.pay", 1)
CONTROLLED = replace(
    FINDING,
    kind=FindingKind.EXCEPTION,
    schedule=Schedule(7, (Switch(task=1, at=WRITE, to=2, ready=(1, 2)),)),
    trace=(
        Event(0, 1, WRITE, "Account 1", (1, 2), Frame("/x/bank.py", 9, "Account.pay")),
        Event(1, 2, Anchor("begin", "", "", 1), "", (1, 2), None, preempted=WRITE),
    ),
)


def test_a_finding_of_controlled_execution_is_kept_with_schedule_and_trace(
    store: FindingStore,
) -> None:
    kept = store.save(CONTROLLED)
    assert store.load(kept.id) == kept
    assert (kept.schedule, kept.trace) == (CONTROLLED.schedule, CONTROLLED.trace)
    lines = (Path(kept.directory) / FINDING_FILE).read_text().splitlines()
    assert sum('"step": ' in line for line in lines if '"anchor"' in line) == 2, "a step is a line"


def test_the_latest_schedule_is_kept(store: FindingStore) -> None:
    """The program may have changed since: an older schedule would diverge in it."""
    store.save(FINDING)
    kept = store.save(replace(CONTROLLED, message="anew"))
    assert (kept.count, kept.message, kept.schedule) == (2, "anew", CONTROLLED.schedule)
    assert (Path(kept.directory) / REPLAY_FILE).read_text() == f"{kept.replay_command}\n"
    later = replace(CONTROLLED, schedule=Schedule(8), trace=())
    assert store.save(later).schedule == Schedule(8)
    counted = store.save(FINDING)
    assert (counted.count, counted.schedule) == (4, Schedule(8)), "what replays exactly stays"


def test_of_a_long_trace_the_ends_are_kept_and_the_schedule_whole(store: FindingStore) -> None:
    trace = tuple(replace(CONTROLLED.trace[0], step=step) for step in range(20_000))
    switch = Switch(task=1, at=None, to=2, ready=(2, 3))
    kept = store.save(replace(CONTROLLED, trace=trace, schedule=Schedule(0, (switch,) * 9_000)))
    loaded = store.load(kept.id)
    assert loaded.schedule == kept.schedule
    steps = [event.step for event in loaded.trace]
    assert steps == [*range(TRACE_HEAD), *range(20_000 - TRACE_TAIL, 20_000)]
    assert (Path(kept.directory) / FINDING_FILE).stat().st_size < 3 * 2**20


def test_another_defect_has_its_own_directory(store: FindingStore) -> None:
    store.save(FINDING)
    store.save(replace(FINDING, fingerprint="a" * 64))
    assert [finding.id for finding in store.list()] == ["crash-3fa9c1d2e4b5", "crash-aaaaaaaaaaaa"]


def save_often(directory: str, times: int) -> None:
    for _ in range(times):
        FindingStore(directory).save(FINDING)


def test_processes_that_save_at_once_lose_no_count(store: FindingStore) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=save_often, args=(str(store.directory), 25)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [finding.count for finding in store.list()] == [75]


def test_a_finding_is_named_by_file_directory_or_id(store: FindingStore) -> None:
    kept = store.save(FINDING)
    directory = Path(kept.directory)
    for reference in (kept.id, directory, directory / FINDING_FILE, str(directory)):
        assert store.load(reference) == kept


def test_an_unknown_finding_is_refused_with_the_nearest_name(store: FindingStore) -> None:
    assert "`hermes-stress findings` lists them" in refused(store, "crash-0")
    store.save(FINDING)
    assert "did you mean crash-3fa9c1d2e4b5?" in refused(store, "crash-3fa9c1d2e4b6")
    assert "there is no finding" in refused(store, "")
    assert "cannot be read" in refused(store, "a" * 5000)


NEWER = '{"format": "hermes-stress finding", "format_version": 2}'
DAMAGED = encode_finding(FINDING).replace('"seed": 42', '"seed": "many"')
NO_KIND = encode_finding(FINDING).replace('"crash",', '"oddity",')
NO_SEED = encode_finding(FINDING).replace('"seed": 42,', "")
NO_STACK = encode_finding(FINDING).replace('"frames"', '"pictures"')
NO_SWITCHES = encode_finding(CONTROLLED).replace('"switches"', '"twitches"')
NO_ANCHOR = encode_finding(CONTROLLED).replace('"anchor"', '"hook"')
NO_STEP = encode_finding(FINDING).replace('"step"', '"stop"')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 200_000, "is not JSON"),
        ("[]", "is JSON, but not a finding"),
        ('{"results": []}', "is JSON, but not a finding"),
        (NEWER, "written by a newer hermes-stress (format 2, this one reads up to 1); upgrade"),
        (NEWER.replace("2", "0"), "has the format version 0"),
        (NEWER.replace("2", "true"), "has the format version True"),
        (NEWER.replace("2", "1"), "'kind' is missing"),
        (DAMAGED, "'seed' cannot be \"many\""),
        (NO_KIND, "'oddity' is not a valid FindingKind"),
        (NO_SEED, "'seed' is missing"),
        (NO_STACK, "KeyError: 'frames'"),
        (NO_STEP, "KeyError: 'step'"),
        (NO_SWITCHES, "this schedule is damaged: KeyError('switches')"),
        (NO_ANCHOR, "KeyError: 'anchor'"),
    ],
)
def test_what_is_no_finding_is_refused(
    store: FindingStore, tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "given.json"
    path.write_text(text)
    message = refused(store, path)
    assert sentence in message
    assert str(path) in message


def test_bytes_that_are_no_text_are_refused(store: FindingStore, tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in refused(store, path)


def test_members_of_later_releases_are_ignored_and_missing_ones_defaulted(
    store: FindingStore,
) -> None:
    value = json.loads(encode_finding(FINDING))
    value["colour"] = "red"
    del value["stdout_tail"]
    assert decode_finding(json.dumps(value), "x") == replace(FINDING, stdout_tail="")


def test_a_damaged_neighbour_does_not_hide_the_others(store: FindingStore) -> None:
    kept = store.save(FINDING)
    (store.directory / "crash-0").mkdir()
    (store.directory / "crash-0" / FINDING_FILE).write_text("{")
    damaged: list[InvalidArgument] = []
    assert store.list(damaged.append) == (kept,)
    assert "crash-0" in str(damaged[0])
    with pytest.raises(InvalidArgument, match="crash-0"):
        store.list()


def test_a_store_that_is_not_there_is_empty(store: FindingStore) -> None:
    assert store.list() == ()
    assert not store.directory.exists()


def test_a_writable_directory_is_made_and_left_empty(store: FindingStore) -> None:
    store.check_writable()
    assert list(store.directory.iterdir()) == []


def test_a_directory_that_cannot_be_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InvalidArgument, match=r"cannot be written .*name another one with --findings"
    ):
        FindingStore(tmp_path / "file" / "findings").check_writable()


def test_a_read_only_directory_is_refused() -> None:
    directory = Path(
        os.path.realpath("/proc/self")
    )  # a directory where nobody can write, not even root
    with pytest.raises(InvalidArgument, match="cannot be written"):
        FindingStore(directory).check_writable()
    with pytest.raises(SaveFailed) as caught:
        FindingStore(directory).save(FINDING)
    assert caught.value.finding == FINDING


def fill_the_disk(store: FindingStore) -> None:
    """Every write of the finding from now on ends as on a full disk."""
    directory = store.directory / FINDING.id
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{FINDING_FILE}.new").symlink_to("/dev/full")


def test_on_a_full_disk_the_finding_is_handed_back(store: FindingStore) -> None:
    fill_the_disk(store)
    with pytest.raises(SaveFailed, match="No space left on device") as caught:
        store.save(FINDING)
    assert caught.value.finding == FINDING
    assert "\n" not in str(caught.value)
    # The rubbish is gone: the next save finds its way.
    assert store.save(FINDING).count == 1


def test_on_a_full_disk_what_was_kept_stays(store: FindingStore) -> None:
    kept = store.save(FINDING)
    fill_the_disk(store)
    with pytest.raises(SaveFailed):
        store.save(FINDING)
    assert store.list() == (kept,)


def test_a_newer_finding_is_not_overwritten(store: FindingStore) -> None:
    path = Path(store.save(FINDING).directory) / FINDING_FILE
    path.write_text(NEWER)
    with pytest.raises(SaveFailed, match="newer hermes-stress"):
        store.save(FINDING)
    assert path.read_text() == NEWER


texts = st.text(max_size=20)
whole = st.integers(min_value=-(2**63), max_value=2**63)
frames = st.builds(Frame, texts, whole, texts)
anchors = st.builds(Anchor, texts, texts, texts, whole)
numbers = st.lists(whole, max_size=3).map(tuple)
switches = st.builds(Switch, task=whole, at=st.none() | anchors, to=whole, ready=numbers)
events = st.builds(
    Event,
    step=whole,
    task=whole,
    anchor=anchors,
    subject=texts,
    ready=numbers,
    frame=st.none() | frames,
    preempted=st.none() | anchors,
)
findings = st.builds(
    Finding,
    kind=st.sampled_from(FindingKind),
    message=texts,
    fingerprint=texts,
    seed=whole,
    mutant=st.none() | texts,
    signal=st.none() | whole,
    threads=st.lists(
        st.builds(ThreadStack, texts, st.lists(frames, max_size=3).map(tuple), st.booleans()),
        max_size=3,
    ).map(tuple),
    operations=st.lists(
        st.builds(RecordedOperation, whole, texts, whole, texts, texts), max_size=3
    ).map(tuple),
    details=st.dictionaries(texts, st.none() | st.booleans() | whole | texts, max_size=3),
    stdout_tail=st.text(st.characters(codec=None), max_size=20),
    schedule=st.none() | st.builds(Schedule, whole, st.lists(switches, max_size=3).map(tuple)),
    trace=st.lists(events, max_size=3).map(tuple),
)


@given(findings)
def test_what_is_written_is_read_back(finding: Finding) -> None:
    text = encode_finding(finding)
    assert decode_finding(text, "x") == finding
    text.encode("ascii")
