"""`hermes-stress explore`: controlled execution of a callable."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stress
from stress.cli.common import (
    OF_VERDICT,
    ExitCode,
    add_command,
    add_store,
    checked,
    console_on,
    print_json,
    seed_number,
    settings_here,
    show,
    store_of,
    terminable,
    told_extra,
    width_of,
)
from stress.errors import InvalidArgument
from stress.finding import Finding
from stress.finding_format import finding_to_json
from stress.finding_store import DEFAULT_DIRECTORY, FindingStore, SaveFailed
from stress.loading import check_module, did_you_mean, load_target
from stress.report.console import finding_text
from stress.report.exploration import exploration_text
from stress.report.progress import exploration_news, progress_display
from stress.settings import Settings, seconds, whole_number

if TYPE_CHECKING:
    from stress.exploration import Exploration

#: With a limit in time alone.
_NO_LIMIT = sys.maxsize


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What `stress.explore` is asked for."""

    strategy: str
    executions: int
    seed: int
    targets: tuple[str, ...] | None
    carrier: str
    step_limit: int
    time_limit_s: float | None
    saturation: int | None
    focus: bool
    detectors: tuple[str, ...]
    free_threaded: bool
    stop_on_first: bool
    shrink: bool


def add_explore(commands: Any) -> None:
    """`hermes-stress explore`."""
    summary = "run a callable under control, in many orders of its threads' steps"
    parser = add_command(commands, "explore", summary, _explore)
    add = parser.add_argument
    number = checked(whole_number)
    add("program", metavar="module:callable", help="takes no argument; starts threads")
    add("--strategy", metavar="NAME", help="decides who goes next (default portfolio)")
    add("--executions", type=number, metavar="N", help="end after so many (default 1000)")
    add("--seed", type=seed_number, default=0, help="all choices follow from it (default 0)")
    add(
        "--targets",
        action="append",
        metavar="A,B",
        help="modules and packages whose accesses are scheduling points (default: the module)",
    )
    add("--carrier", metavar="NAME", help="of tasks: auto, greenlet or thread (default auto)")
    add("--step-limit", type=number, metavar="N", help="of one execution (default 100000)")
    add("--time", type=checked(seconds), metavar="SECONDS", help="end after so long")
    add(
        "--saturation",
        type=number,
        metavar="N",
        help="end after so many executions in a row that showed nothing new",
    )
    add("--focus", action="store_true", help="choose mostly where tasks touch what they share")
    add(
        "--detect",
        action="append",
        metavar="A,B",
        help="find without an exception, too: races, atomicity, lock-order, leaks, or all",
    )
    add(
        "--free-threaded",
        action="store_true",
        help="detectors also tell what is harmless with the interpreter's lock alone",
    )
    add("--all", action="store_true", help="go on after the first finding")
    add("--no-shrink", action="store_true", help="leave findings as they were found")
    add("--json", action="store_true", help="summary as JSON on standard output")
    add_store(parser)


def _explore(arguments: argparse.Namespace) -> ExitCode:
    if ":" not in arguments.program:
        raise InvalidArgument(
            f"{arguments.program!r} names no callable; name it as module:callable "
            "(`hermes-stress run` is for workloads)"
        )
    explore = stress.explore
    settings = settings_here()
    options = _options(arguments, settings)
    store = store_of(arguments, settings)
    with contextlib.redirect_stdout(sys.stderr):
        for target in options.targets or ():
            check_module(target)
        program = load_target(arguments.program)
    store.check_writable()
    news, console = console_on(sys.stderr), console_on(sys.stdout)
    _note_slow_carrier(options.carrier)
    title = f"{arguments.program} · seed {options.seed}"
    total = None if options.executions == _NO_LIMIT else options.executions
    display = progress_display(news, title=title, trials=total, news=exploration_news)
    with terminable(), display as update, _silence(), told_extra():
        exploration = explore(program, **vars(options), on_progress=update)
    findings, unsaved = _saved(exploration.findings, arguments.program, store)
    exploration = replace(exploration, findings=findings)
    again = _again(arguments.program, options, store)
    code = ExitCode.WRONG_USE if unsaved else OF_VERDICT[exploration.verdict]
    if arguments.json:
        told = _summary(exploration, options, unsaved)
        print_json({**told, "command": again, "exit_code": int(code)})
        return code
    for number, finding in enumerate(findings):
        # One finding in full is what people read; what is nowhere on disk must be told in full.
        if number == 0 or not finding.directory:
            show(console, finding_text(finding, width_of(console)).append("\n"))
    show(console, exploration_text(exploration, again, unsaved))
    return code


def _options(arguments: argparse.Namespace, settings: Settings) -> _Options:
    from stress.options import CARRIERS
    from stress.strategies.catalogue import STRATEGIES

    defaults = inspect.signature(stress.explore).parameters
    executions = arguments.executions
    if executions is None and arguments.time is not None:
        executions = _NO_LIMIT
    targets = [name.strip() for given in arguments.targets or () for name in given.split(",")]
    strategy = arguments.strategy or settings.strategy or str(defaults["strategy"].default)
    carrier = arguments.carrier or settings.carrier or str(defaults["carrier"].default)
    _check_name("strategy", strategy, list(STRATEGIES))
    _check_name("carrier", carrier, CARRIERS)
    return _Options(
        strategy=strategy,
        executions=executions or settings.executions or int(defaults["executions"].default),
        seed=arguments.seed,
        targets=tuple(dict.fromkeys(targets)) or None,
        carrier=carrier,
        step_limit=arguments.step_limit or int(defaults["step_limit"].default),
        time_limit_s=arguments.time,
        saturation=arguments.saturation,
        focus=arguments.focus,
        detectors=_detectors(arguments.detect),
        free_threaded=arguments.free_threaded,
        stop_on_first=not arguments.all,
        shrink=not arguments.no_shrink,
    )


def _detectors(given: Sequence[str] | None) -> tuple[str, ...]:
    from stress.detect.catalogue import DETECTORS

    names = [name.strip() for names in given or () for name in names.split(",")]
    for name in names:
        if name != "all":
            _check_name("detector", name, [*DETECTORS, "all"])
    return tuple(DETECTORS) if "all" in names else tuple(dict.fromkeys(names))


def _check_name(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or f"choose one of {', '.join(known)}"
        raise InvalidArgument(f"there is no {what} {name!r}; {hint}")


def _note_slow_carrier(carrier: str) -> None:
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if carrier == "auto" and has_gil and importlib.util.find_spec("greenlet") is None:
        print(
            "note: greenlet is not installed, so tasks are carried by threads, which takes ten "
            "times as long; python3 -m pip install 'hermes-stress[explore]' brings it",
            file=sys.stderr,
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let go what the program prints: a thousand times the same. A replay shows it once."""
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _saved(
    findings: Sequence[Finding], program: str, store: FindingStore
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings as they are on disk, and a sentence for each that is not."""
    kept: list[Finding] = []
    unsaved: list[str] = []
    for finding in findings:
        # By this name it can be imported, whatever it calls itself.
        named = replace(finding, workload=program)
        try:
            kept.append(replace(store.save(named), count=finding.count))
        except SaveFailed as error:
            kept.append(named)
            unsaved.append(str(error))
    return tuple(kept), tuple(unsaved)


def _again(program: str, options: _Options, store: FindingStore) -> str:
    """The command that explores the same again, wherever the options came from."""
    defaults = inspect.signature(stress.explore).parameters
    words = ["hermes-stress", "explore", program, "--seed", str(options.seed)]
    words += ["--strategy", options.strategy]
    if options.executions != _NO_LIMIT:
        words += ["--executions", str(options.executions)]
    if options.targets:
        words += ["--targets", ",".join(options.targets)]
    if options.carrier != "auto":
        words += ["--carrier", options.carrier]
    if options.step_limit != defaults["step_limit"].default:
        words += ["--step-limit", str(options.step_limit)]
    if options.time_limit_s is not None:
        words += ["--time", f"{options.time_limit_s:g}"]
    if options.saturation is not None:
        words += ["--saturation", str(options.saturation)]
    words += ["--focus"] if options.focus else []
    words += ["--detect", ",".join(options.detectors)] if options.detectors else []
    words += ["--free-threaded"] if options.free_threaded else []
    words += [] if options.stop_on_first else ["--all"]
    words += [] if options.shrink else ["--no-shrink"]
    if store.directory != DEFAULT_DIRECTORY:
        words += ["--findings", str(store.directory)]
    return shlex.join(words)


def _summary(exploration: Exploration, options: _Options, unsaved: Sequence[str]) -> dict[str, Any]:
    statistics = exploration.statistics
    return {
        "verdict": exploration.verdict.value,
        "reason": exploration.reason,
        "seed": options.seed,
        "strategy": options.strategy,
        "statistics": {**asdict(statistics), "residual_risk": statistics.residual_risk},
        "findings": [finding_to_json(finding) for finding in exploration.findings],
        "notices": list(exploration.notices),
        "unsaved": list(unsaved),
    }
