"""The command line: options in, one call, one report out, one exit code."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from stress.cli.common import ExitCode as ExitCode
from stress.cli.common import Parser
from stress.cli.explore import add_explore
from stress.cli.findings import add_findings, add_plan, add_show, add_workloads
from stress.cli.replay import add_replay
from stress.cli.run import add_run
from stress.cli.shrink import add_shrink
from stress.errors import HarnessFault, InvalidArgument
from stress.judge import tool_version


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse's own exits (--help) pass through."""
    try:
        arguments = _parser().parse_args(argv)
        code: ExitCode = arguments.command(arguments)
        return code
    except InvalidArgument as error:
        return _fail(f"hermes-stress: {error}", ExitCode.WRONG_USE)
    except KeyboardInterrupt:
        return _fail("hermes-stress: interrupted before there was a result", ExitCode.UNKNOWN)
    except HarnessFault as error:
        traceback.print_exc()
        return _fail(f"hermes-stress: fault of the harness: {error}", ExitCode.HARNESS_FAULT)
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        return _fail(
            f"hermes-stress: unexpected fault of the harness: {text}", ExitCode.HARNESS_FAULT
        )


def _fail(message: str, code: ExitCode) -> ExitCode:
    print(message, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="hermes-stress", allow_abbrev=False, description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"hermes-stress {tool_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in (
        add_explore,
        add_run,
        add_replay,
        add_shrink,
        add_show,
        add_findings,
        add_plan,
        add_workloads,
    ):
        add(commands)
    return parser


_DESCRIPTION = (
    "Finds concurrency bugs in threaded Python. `explore` runs a callable under control, one "
    "thread at a time and in thousands of orders; `run` runs workloads of the Hermes runtime, or "
    "any callable, on real threads in sandbox processes. Exit codes: 0 holds, 1 findings, 2 wrong "
    "use, 3 unknown, 4 fault of the harness."
)
