"""From the files of a trial to its record."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from stress.errors import HarnessFault
from stress.finding import ThreadStack
from stress.parallel import host, sandbox
from stress.parallel.dump import breaks_off, parse_dump, without_frames_of
from stress.parallel.files import TrialFiles, read_tail
from stress.parallel.flight_recorder import Flight, read_flight
from stress.trial import Condition, Trial, TrialRecord

#: How many of the last recorded operations a record carries.
OPERATIONS_MAX = 200
#: How much of each output stream a record carries, in bytes.
TAIL_BYTES_MAX = 8192
_DUMP_BYTES_MAX = 1024 * 1024
_OUR_FILES = frozenset({host.__file__, sandbox.__file__})


def ended_record(
    trial: Trial, files: TrialFiles, status: int, hung: bool, duration_s: float, keep: str
) -> TrialRecord:
    """The record of a trial whose process was reaped with this wait status.

    `keep` names the key of the report that makes a finished trial worth its evidence, `*` is
    every one. The files of a finished trial are removed otherwise. Raises HarnessFault where the
    sandbox itself failed.
    """
    outcome, report = _read_report(files)
    if outcome == "fault":
        raise HarnessFault(f"the sandbox of trial {trial.index} failed: {report.get('error')}")
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    if hung:
        condition = Condition.HUNG
    elif number is not None:
        condition = Condition.CRASHED
    elif outcome:
        condition = Condition(outcome)
    else:
        condition = Condition.EXITED
    if condition is Condition.FINISHED and not _is_kept(report, keep):
        shutil.rmtree(files.directory, ignore_errors=True)
        return TrialRecord(trial, condition, duration_s, report, exit_code=code)
    return _with_evidence(trial, files, condition, duration_s, report, code, number)


def lost_record(
    trial: Trial, files: TrialFiles, condition: Condition, duration_s: float, note: str
) -> TrialRecord:
    """The record of a trial whose host is gone, so that nobody knows its wait status."""
    _, report = _read_report(files)
    return _with_evidence(trial, files, condition, duration_s, report, None, None, note)


def _with_evidence(
    trial: Trial,
    files: TrialFiles,
    condition: Condition,
    duration_s: float,
    report: dict[str, Any],
    exit_code: int | None,
    signal: int | None,
    note: str = "",
) -> TrialRecord:
    flight = read_flight(files.recorder)
    dump = read_tail(files.dump, _DUMP_BYTES_MAX)
    threads = _threads(dump, flight, condition)
    if condition is Condition.CRASHED and breaks_off(dump):
        # It walks the stacks of threads that still run, and may crash over them in its turn.
        note = note or "the dump broke off before it came to the frames of the thread that failed"
    return TrialRecord(
        trial=trial,
        condition=condition,
        duration_s=duration_s,
        report=report,
        exit_code=exit_code,
        signal=signal,
        threads=threads,
        operations=flight.operations[-OPERATIONS_MAX:],
        dump=dump,
        stdout_tail=read_tail(files.stdout, TAIL_BYTES_MAX),
        stderr_tail=read_tail(files.stderr, TAIL_BYTES_MAX),
        note=note,
        artifacts=str(files.directory),
    )


def _threads(dump: str, flight: Flight, condition: Condition) -> tuple[ThreadStack, ...]:
    stacks = without_frames_of(parse_dump(dump, flight.threads), _OUR_FILES)
    if condition is not Condition.HUNG:
        return stacks
    # We asked for this dump: the thread that happened to answer did nothing wrong.
    return tuple(ThreadStack(stack.thread, stack.frames) for stack in stacks)


def _is_kept(report: dict[str, Any], keep: str) -> bool:
    return keep == "*" or bool(keep and report.get(keep))


def _read_report(files: TrialFiles) -> tuple[str, dict[str, Any]]:
    try:
        envelope = json.loads(files.report.read_bytes())
    except FileNotFoundError:
        return "", {}
    return envelope["outcome"], envelope["report"]
