"""`hermes-stress run` and the replay of what it finds: real threads in sandbox processes."""

from __future__ import annotations

import argparse
import os
import random
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

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
)
from stress.cli.findings import list_workloads
from stress.finding import Finding
from stress.finding_format import finding_to_json
from stress.finding_store import DEFAULT_DIRECTORY
from stress.observe import OBSERVERS
from stress.report.console import finding_text, replay_text, summary_text
from stress.report.progress import progress_display
from stress.settings import Settings, seconds, whole_number
from stress.statistics import residual_risk

if TYPE_CHECKING:
    from stress.api import Run, RunOptions

TIME_LIMIT_S = 60.0
#: How often a finding of a run is tried again, unless somebody says.
ATTEMPTS = 10


def add_run(commands: Any) -> None:
    """`hermes-stress run`."""
    parser = add_command(commands, "run", "run a workload on real threads until a limit", _run)
    add = parser.add_argument
    add("workload", nargs="?", default="mixed", metavar="WORKLOAD|module:callable")
    add("--seed", type=seed_number, help="all trials follow from it; drawn and printed by default")
    add("--trials", type=checked(whole_number), metavar="N", help="end after so many trials")
    add("--time", type=checked(seconds), metavar="SECONDS", help="end after so long (default 60)")
    add("--jobs", type=checked(whole_number), metavar="N", help="sandboxes at a time")
    add("--size", type=checked(whole_number), metavar="N", help="scale of one trial (default 1)")
    add("--mutant", metavar="NAME", help="re-introduce a known race, in memory")
    add("--trial-timeout", type=checked(seconds), metavar="SECONDS", help="then it is hung")
    add("--memory-limit", type=checked(whole_number), metavar="MIB", help="of one trial")
    add("--no-noise", action="store_true", help="leave the timing of threads alone")
    add("--stop-on-first", action="store_true", help="end with the first finding")
    add("--detect", action="append", metavar="A,B|all", help="detectors that look on: races, …")
    add("--free-threaded", action="store_true", help="judge races as without the GIL")
    add("--endpoint", metavar="URL", help="a model server that runs already")
    add("--json", action="store_true", help="summary as JSON on standard output")
    add("--list", action="store_true", help="list workloads and mutants instead")
    add_store(parser)


def _run(arguments: argparse.Namespace) -> ExitCode:
    if arguments.list:
        return list_workloads(arguments)
    from stress import api

    options = _options(arguments, settings_here())
    api.checked(options)
    again = _again(options)
    news = console_on(sys.stderr)
    show(news, again)
    title = f"{options.workload} · seed {options.seed}"
    with terminable(), progress_display(news, title=title, trials=options.trials) as update:
        run = api.run(options, on_progress=update)
    code = ExitCode.WRONG_USE if run.unsaved else OF_VERDICT[run.verdict]
    if arguments.json:
        print_json({**_summary(run), "command": again, "exit_code": int(code)})
    else:
        _print_run(run, again)
    return code


def _print_run(run: Run, again: str) -> None:
    console = console_on(sys.stdout)
    # One finding in full is what people read; what is nowhere on disk must be told in full too.
    whole = [f for number, f in enumerate(run.findings) if number == 0 or not f.directory]
    for finding in whole:
        show(console, finding_text(finding).append("\n"))
    show(console, summary_text(run, again))


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
        findings_directory=store_of(arguments, settings).directory,
        stop_on_first=arguments.stop_on_first,
        endpoint=arguments.endpoint,
        detectors=_detectors(arguments.detect),
        free_threaded=arguments.free_threaded,
    )


def _detectors(given: Sequence[str] | None) -> tuple[str, ...]:
    names = [name.strip() for names in given or () for name in names.split(",")]
    return OBSERVERS if "all" in names else tuple(dict.fromkeys(names))


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
        "--detect": ",".join(options.detectors) or None,
    }
    for option, value in given.items():
        words += [option, str(value)] if value is not None else []
    words += ["--no-noise"] if not options.noise else []
    words += ["--free-threaded"] if options.free_threaded else []
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


def replay_of_run(arguments: argparse.Namespace, finding: Finding) -> ExitCode:
    """Run the plan of a finding again, several times."""
    from stress import api

    settings = settings_here()
    attempts = arguments.attempts or ATTEMPTS
    news = console_on(sys.stderr)
    title = f"replay {finding.id} · seed {finding.seed}"
    with terminable(), progress_display(news, title=title, trials=attempts) as update:
        replay = api.replay_finding(
            finding,
            attempts=attempts,
            jobs=_jobs(arguments, settings),
            trial_timeout_s=arguments.trial_timeout,
            on_progress=update,
        )
    console = console_on(sys.stdout)
    for other in replay.other:
        show(console, finding_text(other).append("\n"))
    bound = residual_risk(max(replay.attempts, 1))
    show(console, replay_text(finding, replay, bound))
    if not replay.attempts:
        return ExitCode.UNKNOWN
    return ExitCode.FINDINGS if replay.reproduced or replay.other else ExitCode.HOLDS
