"""What the commands share: exit codes, options, settings, and printing."""

from __future__ import annotations

import argparse
import contextlib
import enum
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from stress.errors import InvalidArgument, missing_extra
from stress.finding import Verdict
from stress.finding_store import DEFAULT_DIRECTORY, FindingStore
from stress.report.console import WIDTH
from stress.settings import Settings, directory, read_settings


class ExitCode(enum.IntEnum):
    """What the process says to its caller."""

    HOLDS = 0
    FINDINGS = 1
    WRONG_USE = 2
    UNKNOWN = 3
    HARNESS_FAULT = 4


#: What each verdict says to the caller.
OF_VERDICT = {
    Verdict.HOLDS: ExitCode.HOLDS,
    Verdict.VIOLATED: ExitCode.FINDINGS,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is a `--help` away."""

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"{message}; see `{self.prog} --help`")


def add_command(commands: Any, name: str, summary: str, call: Callable[..., ExitCode]) -> Parser:
    """A command, and what it calls with the arguments."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=summary, allow_abbrev=False
    )
    parser.set_defaults(command=call)
    return parser


def add_finding(parser: Parser) -> None:
    """The argument that names a finding."""
    parser.add_argument("finding", metavar="FINDING", help="finding.json, its directory or an ID")
    add_store(parser)


def add_store(parser: Parser) -> None:
    """The option that names the directory of findings."""
    parser.add_argument(
        "--findings",
        type=checked(directory),
        metavar="DIR",
        dest="store",
        help=f"where findings are kept (default {DEFAULT_DIRECTORY})",
    )


def checked(read: Callable[[object], Any]) -> Callable[[str], Any]:
    """A reader of settings as the type of an option."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def seed_number(text: str) -> int:
    """A seed, as the type of an option."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 upwards")
    return int(text)


def settings_here() -> Settings:
    """What pyproject.toml of this directory and the environment say."""
    return read_settings(Path("pyproject.toml"), os.environ)


def store_of(arguments: argparse.Namespace, settings: Settings) -> FindingStore:
    """Where findings are kept."""
    return FindingStore(arguments.store or settings.findings or DEFAULT_DIRECTORY)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: with the results so far, and no process left."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def told_extra() -> Iterator[None]:
    """Say what to install where controlled execution lacks a package."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("bytecode", "greenlet"):
            raise
        raise missing_extra("controlled execution", error.name) from error


class _Console(Console):
    """A console whose reader may go away (`| head`): the verdict stays what it is."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is buffered still has to go somewhere when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console_on(stream: Any) -> Console:
    """A console that takes text as it is."""
    return _Console(file=stream, highlight=False, markup=False, emoji=False)


def width_of(console: Console) -> int:
    """How wide tables may be: as the terminal, or as a page where there is none."""
    return max(console.width, 60) if console.is_terminal else WIDTH


def show(console: Console, text: Text | str) -> None:
    """Print a text, on lines of its own."""
    end = "\n" if isinstance(text, str) or not text.plain.endswith("\n") else ""
    console.print(text, soft_wrap=True, end=end)


def print_json(value: object) -> None:
    """Print JSON on standard output."""
    show(console_on(sys.stdout), json.dumps(value, indent=2, default=str))
