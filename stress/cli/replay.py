"""`hermes-stress replay`: a finding again, as often as its kind of execution asks for."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from typing import Any

from stress.cli.common import (
    OF_VERDICT,
    ExitCode,
    add_command,
    add_finding,
    checked,
    console_on,
    settings_here,
    show,
    store_of,
    terminable,
    told_extra,
    width_of,
)
from stress.cli.run import ATTEMPTS, replay_of_run
from stress.errors import InvalidArgument, ScheduleDiverged
from stress.finding import Finding
from stress.finding_store import is_importable
from stress.judge import describe_python
from stress.loading import load_target
from stress.report.console import finding_text
from stress.report.exploration import diverged_text, replayed_text
from stress.settings import seconds, whole_number


def add_replay(commands: Any) -> None:
    """`hermes-stress replay`."""
    parser = add_command(commands, "replay", "run a finding again; exit 1 if it is seen", _replay)
    add_finding(parser)
    parser.add_argument(
        "--attempts",
        type=checked(whole_number),
        metavar="N",
        help=f"of a finding of `run` (default {ATTEMPTS})",
    )
    parser.add_argument(
        "--jobs", type=checked(whole_number), metavar="N", help="attempts at a time"
    )
    parser.add_argument("--trial-timeout", type=checked(seconds), metavar="SECONDS")


def _replay(arguments: argparse.Namespace) -> ExitCode:
    finding = store_of(arguments, settings_here()).load(arguments.finding)
    _warn_of_another_python(finding)
    if finding.schedule is None:
        return replay_of_run(arguments, finding)
    return _replay_controlled(arguments, finding)


def _warn_of_another_python(finding: Finding) -> None:
    here = describe_python()
    found, ours = (
        f"{python.get('implementation', '')} {python.get('version', '')}".strip()
        for python in (finding.python, here)
    )
    if found and found != ours:
        print(f"note: found on {found}, replayed on {ours}", file=sys.stderr)


def check_importable(finding: Finding, does: str) -> None:
    """Raises InvalidArgument where a command cannot have the program of a finding."""
    if not is_importable(finding.workload):
        call = finding.replay_command.replace("stress.replay(", f"stress.{does[:-1]}(")
        raise InvalidArgument(
            f"the program of {finding.id} is {finding.workload}, which nobody can import; where "
            f"it is made, `{call}` in Python {does} it"
        )


def _replay_controlled(arguments: argparse.Namespace, finding: Finding) -> ExitCode:
    """Once: the same schedule gives the same outcome, or does not fit the program any more."""
    for option in ("attempts", "jobs", "trial_timeout"):
        if getattr(arguments, option) is not None:
            name = option.replace("_", "-")
            print(f"note: a schedule is replayed once, so --{name} says nothing", file=sys.stderr)
    check_importable(finding, "replays")
    import stress

    console = console_on(sys.stdout)
    # What the program prints is worth seeing here, and is no part of the report.
    with contextlib.redirect_stdout(sys.stderr):
        program = load_target(finding.workload)
        try:
            with terminable(), told_extra():
                replayed = stress.replay(program, finding)
        except ScheduleDiverged as error:
            show(console, diverged_text(finding, str(error)))
            return ExitCode.UNKNOWN
    for again in replayed.findings:
        if again.fingerprint == finding.fingerprint:
            again = replace(again, replay_command=finding.replay_command)
        show(console, finding_text(again, width_of(console)).append("\n"))
    show(console, replayed_text(finding, replayed))
    return OF_VERDICT[replayed.verdict]
