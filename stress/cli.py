"""The command line: options in, one call, one report out, one exit code."""

from __future__ import annotations

import argparse
import contextlib
import enum
import json
import os
import random
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.text import Text

from stress.errors import HarnessFault, InvalidArgument
from stress.finding import Finding, Verdict
from stress.finding_format import finding_to_json
from stress.finding_store import DEFAULT_DIRECTORY, FindingStore
from stress.judge import describe_python, tool_version
from stress.report.console import finding_text, findings_text, replay_text, summary_text
from stress.report.progress import progress_display
from stress.settings import Settings, directory, read_settings, seconds, whole_number

if TYPE_CHECKING:
    from stress.api import Run, RunOptions

TIME_LIMIT_S = 60.0


class ExitCode(enum.IntEnum):
    """What the process says to its caller."""

    HOLDS = 0
    FINDINGS = 1
    WRONG_USE = 2
    UNKNOWN = 3
    HARNESS_FAULT = 4


_OF_VERDICT = {
    Verdict.HOLDS: ExitCode.HOLDS,
    Verdict.VIOLATED: ExitCode.FINDINGS,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
}


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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is a `--help` away."""

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hermes-stress", allow_abbrev=False, description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"hermes-stress {tool_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in (_add_run, _add_replay, _add_show, _add_findings, _add_plan, _add_workloads):
        add(commands)
    return parser


_DESCRIPTION = (
    "Finds concurrency bugs in threaded Python: runs workloads of the Hermes runtime, or any "
    "callable, on real threads in sandbox processes. Exit codes: 0 holds, 1 findings, 2 wrong "
    "use, 3 unknown, 4 fault of the harness."
)


def _command(commands: Any, name: str, summary: str, call: Callable[..., ExitCode]) -> _Parser:
    parser: _Parser = commands.add_parser(
        name, help=summary, description=summary, allow_abbrev=False
    )
    parser.set_defaults(command=call)
    return parser


def _add_run(commands: Any) -> None:
    parser = _command(commands, "run", "run a workload on real threads until a limit", _run)
    add = parser.add_argument
    add("workload", nargs="?", default="mixed", metavar="WORKLOAD|module:callable")
    add("--seed", type=_seed, help="all trials follow from it; drawn and printed by default")
    add("--trials", type=_checked(whole_number), metavar="N", help="end after so many trials")
    add("--time", type=_checked(seconds), metavar="SECONDS", help="end after so long (default 60)")
    add("--jobs", type=_checked(whole_number), metavar="N", help="sandboxes at a time")
    add("--size", type=_checked(whole_number), metavar="N", help="scale of one trial (default 1)")
    add("--mutant", metavar="NAME", help="re-introduce a known race, in memory")
    add("--trial-timeout", type=_checked(seconds), metavar="SECONDS", help="then it is hung")
    add("--memory-limit", type=_checked(whole_number), metavar="MIB", help="of one trial")
    add("--no-noise", action="store_true", help="leave the timing of threads alone")
    add("--stop-on-first", action="store_true", help="end with the first finding")
    add("--endpoint", metavar="URL", help="a model server that runs already")
    add("--json", action="store_true", help="summary as JSON on standard output")
    add("--list", action="store_true", help="list workloads and mutants instead")
    _add_store(parser)


def _add_replay(commands: Any) -> None:
    parser = _command(commands, "replay", "run a finding again; exit 1 if it is seen", _replay)
    _add_finding(parser)
    parser.add_argument("--attempts", type=_checked(whole_number), default=10, metavar="N")
    parser.add_argument(
        "--jobs", type=_checked(whole_number), metavar="N", help="attempts at a time"
    )
    parser.add_argument("--trial-timeout", type=_checked(seconds), metavar="SECONDS")


def _add_show(commands: Any) -> None:
    _add_finding(_command(commands, "show", "print a finding", _show))


def _add_findings(commands: Any) -> None:
    parser = _command(commands, "findings", "list the findings that are kept", _findings)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    _add_store(parser)


def _add_plan(commands: Any) -> None:
    parser = _command(commands, "plan", "print the plan that a trial seed gives", _plan)
    parser.add_argument("workload", metavar="WORKLOAD")
    parser.add_argument("--seed", type=_seed, default=0, help="of the trial (default 0)")
    parser.add_argument("--size", type=_checked(whole_number), default=1, metavar="N")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")


def _add_workloads(commands: Any) -> None:
    _command(commands, "workloads", "list workloads and mutants", _workloads)


def _add_finding(parser: _Parser) -> None:
    parser.add_argument("finding", metavar="FINDING", help="finding.json, its directory or an ID")
    _add_store(parser)


def _add_store(parser: _Parser) -> None:
    parser.add_argument(
        "--findings",
        type=_checked(directory),
        metavar="DIR",
        dest="store",
        help=f"where findings are kept (default {DEFAULT_DIRECTORY})",
    )


def _checked(read: Callable[[object], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 upwards")
    return int(text)


def _run(arguments: argparse.Namespace) -> ExitCode:
    if arguments.list:
        return _workloads(arguments)
    from stress import api

    options = _options(arguments, _settings())
    api.checked(options)
    again = _again(options)
    news = _console(sys.stderr)
    _print(news, again)
    title = f"{options.workload} · seed {options.seed}"
    with _terminable(), progress_display(news, title=title, trials=options.trials) as update:
        run = api.run(options, on_progress=update)
    code = ExitCode.WRONG_USE if run.unsaved else _OF_VERDICT[run.verdict]
    if arguments.json:
        _print_json({**_summary(run), "command": again, "exit_code": int(code)})
    else:
        _print_run(run, again)
    return code


def _print_run(run: Run, again: str) -> None:
    console = _console(sys.stdout)
    # One finding in full is what people read; what is nowhere on disk must be told in full too.
    whole = [f for number, f in enumerate(run.findings) if number == 0 or not f.directory]
    for finding in whole:
        _print(console, finding_text(finding).append("\n"))
    _print(console, summary_text(run, again))


def _options(arguments: argparse.Namespace, settings: Settings) -> RunOptions:
    from stress import api

    trials, time_limit_s = arguments.trials, arguments.time
    if trials is None and time_limit_s is None:
        trials, time_limit_s = settings.trials, settings.time
    if trials is None and time_limit_s is None:
        time_limit_s = TIME_LIMIT_S
    seed = arguments.seed
    return api.RunOptions(
        workload=arguments.workload,
        mutant=arguments.mutant,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        trials=trials,
        time_limit_s=time_limit_s,
        jobs=_jobs(arguments, settings),
        size=arguments.size or settings.size or 1,
        trial_timeout_s=arguments.trial_timeout,
        memory_limit_mib=arguments.memory_limit,
        noise=not arguments.no_noise,
        findings_directory=_store(arguments, settings).directory,
        stop_on_first=arguments.stop_on_first,
        endpoint=arguments.endpoint,
    )


def _jobs(arguments: argparse.Namespace, settings: Settings) -> int:
    return arguments.jobs or settings.jobs or len(os.sched_getaffinity(0))


def _again(options: RunOptions) -> str:
    """The command that runs the same trials again, wherever the options came from."""
    words = ["hermes-stress", "run", options.workload, "--seed", str(options.seed)]
    given: dict[str, object] = {
        "--mutant": options.mutant,
        "--trials": options.trials,
        "--time": None if options.time_limit_s is None else f"{options.time_limit_s:g}",
        "--jobs": options.jobs,
        "--size": options.size,
        "--trial-timeout": options.trial_timeout_s and f"{options.trial_timeout_s:g}",
        "--memory-limit": options.memory_limit_mib,
        "--endpoint": options.endpoint,
    }
    for option, value in given.items():
        words += [option, str(value)] if value is not None else []
    words += ["--no-noise"] if not options.noise else []
    words += ["--stop-on-first"] if options.stop_on_first else []
    if options.findings_directory != DEFAULT_DIRECTORY:
        words += ["--findings", str(options.findings_directory)]
    return shlex.join(words)


def _summary(run: Run) -> dict[str, Any]:
    return {
        "verdict": run.verdict.value,
        "reason": run.reason,
        "seed": run.seed,
        "statistics": asdict(run.statistics),
        "findings": [finding_to_json(finding) for finding in run.findings],
        "unsaved": list(run.unsaved),
    }


def _replay(arguments: argparse.Namespace) -> ExitCode:
    from stress import api

    settings = _settings()
    finding = _store(arguments, settings).load(arguments.finding)
    news = _console(sys.stderr)
    _warn_of_another_python(finding)
    title = f"replay {finding.id} · seed {finding.seed}"
    with _terminable(), progress_display(news, title=title, trials=arguments.attempts) as update:
        replay = api.replay_finding(
            finding,
            attempts=arguments.attempts,
            jobs=_jobs(arguments, settings),
            trial_timeout_s=arguments.trial_timeout,
            on_progress=update,
        )
    console = _console(sys.stdout)
    for other in replay.other:
        _print(console, finding_text(other).append("\n"))
    bound = api.residual_risk(max(replay.attempts, 1))
    _print(console, replay_text(finding, replay, bound))
    if not replay.attempts:
        return ExitCode.UNKNOWN
    return ExitCode.FINDINGS if replay.reproduced or replay.other else ExitCode.HOLDS


def _warn_of_another_python(finding: Finding) -> None:
    here = describe_python()
    found, ours = (
        f"{python.get('implementation', '')} {python.get('version', '')}".strip()
        for python in (finding.python, here)
    )
    if found and found != ours:
        print(f"note: found on {found}, replayed on {ours}", file=sys.stderr)


def _show(arguments: argparse.Namespace) -> ExitCode:
    finding = _store(arguments, _settings()).load(arguments.finding)
    _print(_console(sys.stdout), finding_text(finding))
    return ExitCode.HOLDS


def _findings(arguments: argparse.Namespace) -> ExitCode:
    store = _store(arguments, _settings())
    damaged: list[InvalidArgument] = []
    findings = store.list(damaged.append)
    for error in damaged:
        print(f"hermes-stress: {error}", file=sys.stderr)
    if arguments.json:
        _print_json([finding_to_json(finding) for finding in findings])
    elif findings:
        _print(_console(sys.stdout), findings_text(findings))
    else:
        _print(_console(sys.stdout), f"no findings in {store.directory}")
    return ExitCode.WRONG_USE if damaged else ExitCode.HOLDS


def _plan(arguments: argparse.Namespace) -> ExitCode:
    from stress import api

    plan = api.draw_plan(arguments.workload, arguments.seed, arguments.size)
    if arguments.json:
        _print_json(plan.to_json())
    else:
        _print(_console(sys.stdout), plan.describe())
    return ExitCode.HOLDS


def _workloads(arguments: argparse.Namespace) -> ExitCode:
    from stress import api

    text = Text()
    for heading, names in (("workloads", api.workload_names()), ("mutants", api.mutant_names())):
        text.append(f"{heading}\n", "bold")
        text.append(_columns(names))
    _print(_console(sys.stdout), text)
    return ExitCode.HOLDS


def _columns(names: Mapping[str, str]) -> str:
    width = max((len(name) for name in names), default=0)
    return "".join(f"  {name:<{width}}  {summary}\n" for name, summary in names.items())


def _settings() -> Settings:
    return read_settings(Path("pyproject.toml"), os.environ)


def _store(arguments: argparse.Namespace, settings: Settings) -> FindingStore:
    return FindingStore(arguments.store or settings.findings or DEFAULT_DIRECTORY)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: with the results so far, and no process left."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Console(Console):
    """A console whose reader may go away (`| head`): the verdict stays what it is."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is buffered still has to go somewhere when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def _console(stream: Any) -> Console:
    return _Console(file=stream, highlight=False, markup=False, emoji=False)


def _print(console: Console, text: Text | str) -> None:
    end = "\n" if isinstance(text, str) or not text.plain.endswith("\n") else ""
    console.print(text, soft_wrap=True, end=end)


def _print_json(value: object) -> None:
    _print(_console(sys.stdout), json.dumps(value, indent=2, default=str))
