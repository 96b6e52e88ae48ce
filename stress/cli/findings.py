"""The commands that only look: findings, plans, workloads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from stress.cli.common import (
    ExitCode,
    add_command,
    add_finding,
    add_store,
    checked,
    console_on,
    print_json,
    seed_number,
    settings_here,
    show,
    store_of,
    width_of,
)
from stress.errors import InvalidArgument
from stress.finding_format import finding_to_json
from stress.report.console import finding_text, findings_text
from stress.settings import whole_number


def add_show(commands: Any) -> None:
    """`hermes-stress show`."""
    add_finding(add_command(commands, "show", "print a finding", _show))


def add_findings(commands: Any) -> None:
    """`hermes-stress findings`."""
    parser = add_command(commands, "findings", "list the findings that are kept", _findings)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    add_store(parser)


def add_plan(commands: Any) -> None:
    """`hermes-stress plan`."""
    parser = add_command(commands, "plan", "print the plan that a trial seed gives", _plan)
    parser.add_argument("workload", metavar="WORKLOAD")
    parser.add_argument("--seed", type=seed_number, default=0, help="of the trial (default 0)")
    parser.add_argument("--size", type=checked(whole_number), default=1, metavar="N")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")


def add_workloads(commands: Any) -> None:
    """`hermes-stress workloads`."""
    add_command(commands, "workloads", "list workloads and mutants", list_workloads)


def _show(arguments: argparse.Namespace) -> ExitCode:
    finding = store_of(arguments, settings_here()).load(arguments.finding)
    console = console_on(sys.stdout)
    show(console, finding_text(finding, width_of(console)))
    return ExitCode.HOLDS


def _findings(arguments: argparse.Namespace) -> ExitCode:
    store = store_of(arguments, settings_here())
    damaged: list[InvalidArgument] = []
    findings = store.list(damaged.append)
    for error in damaged:
        print(f"hermes-stress: {error}", file=sys.stderr)
    if arguments.json:
        print_json([finding_to_json(finding) for finding in findings])
    elif findings:
        show(console_on(sys.stdout), findings_text(findings))
    else:
        show(console_on(sys.stdout), f"no findings in {store.directory}")
    return ExitCode.WRONG_USE if damaged else ExitCode.HOLDS


def _plan(arguments: argparse.Namespace) -> ExitCode:
    from stress import api

    plan = api.draw_plan(arguments.workload, arguments.seed, arguments.size)
    if arguments.json:
        print_json(plan.to_json())
    else:
        show(console_on(sys.stdout), plan.describe())
    return ExitCode.HOLDS


def list_workloads(arguments: argparse.Namespace) -> ExitCode:
    """Print workloads and mutants."""
    from stress import api

    text = Text()
    for heading, names in (("workloads", api.workload_names()), ("mutants", api.mutant_names())):
        text.append(f"{heading}\n", "bold")
        text.append(_columns(names))
    show(console_on(sys.stdout), text)
    return ExitCode.HOLDS


def _columns(names: Mapping[str, str]) -> str:
    width = max((len(name) for name in names), default=0)
    return "".join(f"  {name:<{width}}  {summary}\n" for name, summary in names.items())
