"""`hermes-stress shrink`: the same defect with the fewest preemptions."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from typing import Any

from stress.cli.common import (
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
from stress.cli.replay import check_importable
from stress.errors import InvalidArgument, ScheduleDiverged
from stress.loading import load_target
from stress.report.console import finding_text
from stress.report.exploration import diverged_text, shrunk_text
from stress.settings import whole_number

_EXECUTIONS = 1000


def add_shrink(commands: Any) -> None:
    """`hermes-stress shrink`."""
    parser = add_command(
        commands,
        "shrink",
        "find the same defect with the fewest preemptions, and keep that",
        _shrink,
    )
    add_finding(parser)
    parser.add_argument(
        "--executions",
        type=checked(whole_number),
        default=_EXECUTIONS,
        metavar="N",
        help=f"try at most so many (default {_EXECUTIONS})",
    )


def _shrink(arguments: argparse.Namespace) -> ExitCode:
    store = store_of(arguments, settings_here())
    finding = store.load(arguments.finding)
    if finding.schedule is None:
        raise InvalidArgument(
            f"finding {finding.id} is of parallel execution and has no schedule to shrink"
        )
    check_importable(finding, "shrinks")
    import stress

    console = console_on(sys.stdout)
    with contextlib.redirect_stdout(sys.stderr):
        program = load_target(finding.workload)
        try:
            with terminable(), told_extra():
                shrunk = stress.shrink(program, finding, executions=arguments.executions)
        except ScheduleDiverged as error:
            show(console, diverged_text(finding, str(error)))
            return ExitCode.UNKNOWN
    # It was seen before: to save it again is no other time.
    kept = store.save(replace(shrunk, count=0))
    show(console, finding_text(kept, width_of(console)).append("\n"))
    show(console, shrunk_text(shrunk))
    return ExitCode.FINDINGS
