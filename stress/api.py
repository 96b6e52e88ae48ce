"""The one place where workloads, mutants, sandboxes, oracles and the finding store meet."""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stress import extras
from stress.errors import InvalidArgument, missing_extra
from stress.finding import Finding, Verdict
from stress.finding_store import FindingStore, SaveFailed
from stress.judge import Origin, judge
from stress.loading import load_target
from stress.mutants.catalogue import MUTANTS
from stress.observe import OBSERVERS as OBSERVERS
from stress.observe import check_observers
from stress.parallel.supervisor import Supervisor
from stress.plan import Plan
from stress.statistics import residual_risk
from stress.trial import Condition, Trial, TrialRecord
from stress.workloads.catalogue import WORKLOADS
from stress.workloads.endpoint import Endpoint, check_endpoint, serve_endpoint


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to run in parallel execution, and for how long.

    `workload` is the name of a workload or `module:callable`. With neither `trials` nor
    `time_limit_s` a run lasts `DEFAULT_TIME_LIMIT_S`; with both, whichever comes first ends it.
    `size` scales one trial, `jobs` is the number of sandbox processes at a time. `endpoint` is the
    URL of a model server that runs already; without it one is started for the run. A trial that
    takes longer than `trial_timeout_s` (by default what `trial_timeout(size)` gives) is hung.
    `detectors` (of `stress.observe.OBSERVERS`) look on at samples of what the threads do;
    `free_threaded` is as for `explore`.
    """

    workload: str = "mixed"
    mutant: str | None = None
    seed: int = 0
    trials: int | None = None
    time_limit_s: float | None = None
    jobs: int = 2
    size: int = 1
    trial_timeout_s: float | None = None
    memory_limit_mib: int | None = None
    noise: bool = True
    findings_directory: Path = Path(".stress/findings")
    stop_on_first: bool = False
    endpoint: str | None = None
    detectors: tuple[str, ...] = ()
    free_threaded: bool = False


DEFAULT_TIME_LIMIT_S = 60.0
#: A trial of size 1 takes well below a second, and each step of size as long again.
TRIAL_TIMEOUT_S, TRIAL_TIMEOUT_S_PER_SIZE = 30.0, 5.0


@dataclass(frozen=True)
class RunProgress:
    """How far a run is. `findings` are distinct, `occurrences` are not."""

    trials: int
    elapsed_s: float
    findings: int
    occurrences: int
    jobs: int
    threads: int
    trials_per_s: float
    time_left_s: float | None


@dataclass(frozen=True)
class RunStatistics:
    """The size of a run. `residual_risk` bounds the failure probability of one trial from above.

    It is the 95 % bound for as many clean trials, and None where there were findings or no trial.
    """

    trials: int
    conditions: Mapping[str, int]
    operations: int
    threads_max: int
    concurrent_trials: int
    elapsed_s: float
    trials_per_s: float
    residual_risk: float | None


@dataclass(frozen=True)
class Run:
    """The outcome of a run; the findings most often seen come first.

    `unsaved` says, one sentence each, which findings are not on disk.
    """

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    statistics: RunStatistics
    seed: int
    unsaved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """How many attempts gave the same fingerprint, and what else they gave."""

    attempts: int
    reproduced: int
    other: tuple[Finding, ...]


@dataclass
class _Tally:
    """The mutable state of one run."""

    began: float = field(default_factory=time.monotonic)
    conditions: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    threads_max: int = 0
    concurrent_trials: int = 0
    occurrences: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    unsaved: dict[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        return sum(self.conditions.values())

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    def add(self, record: TrialRecord) -> None:
        self.conditions[record.condition.value] += 1
        statistics = record.report.get("statistics", {})
        self.operations += int(statistics.get("operations", 0))
        self.threads_max = max(self.threads_max, int(statistics.get("threads_max", 0)))
        self.concurrent_trials += bool(statistics.get("overlapped", False))

    def statistics(self) -> RunStatistics:
        clean = self.conditions[Condition.FINISHED.value] if not self.findings else 0
        elapsed = self.elapsed_s
        return RunStatistics(
            trials=self.trials,
            conditions=dict(self.conditions),
            operations=self.operations,
            threads_max=self.threads_max,
            concurrent_trials=self.concurrent_trials,
            elapsed_s=elapsed,
            trials_per_s=self.trials / elapsed if elapsed else 0.0,
            residual_risk=residual_risk(clean) if clean else None,
        )

    def progress(self, options: RunOptions) -> RunProgress:
        elapsed = self.elapsed_s
        rate = self.trials / elapsed if elapsed else 0.0
        left = [] if options.time_limit_s is None else [options.time_limit_s - elapsed]
        if options.trials is not None and rate:
            left.append((options.trials - self.trials) / rate)
        return RunProgress(
            trials=self.trials,
            elapsed_s=elapsed,
            findings=len(self.findings),
            occurrences=self.occurrences,
            jobs=options.jobs,
            threads=self.threads_max,
            trials_per_s=rate,
            time_left_s=max(0.0, min(left)) if left else None,
        )


def trial_timeout(size: int) -> float:
    """After how many seconds a trial of this size counts as hung, unless somebody says."""
    return TRIAL_TIMEOUT_S + TRIAL_TIMEOUT_S_PER_SIZE * (size - 1)


def trial_seed(run_seed: int, index: int) -> int:
    """The seed of a trial: a number of 48 bits that follows from the run's seed alone."""
    digest = hashlib.sha256(f"{run_seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def workload_names() -> Mapping[str, str]:
    """Every workload with its one-line summary."""
    return {name: workload.summary for name, workload in WORKLOADS.items()}


def mutant_names() -> Mapping[str, str]:
    """Every mutant with its one-line summary."""
    return {name: mutant.summary for name, mutant in MUTANTS.items()}


def draw_plan(workload: str, seed: int, size: int) -> Plan:
    """The plan of a trial seed. Raises InvalidArgument for an unknown workload or a bad size."""
    _check_name("workload", workload, WORKLOADS)
    _check_positive("size", size)
    return WORKLOADS[workload].draw(seed, size)


def run(options: RunOptions, *, on_progress: Callable[[RunProgress], None] | None = None) -> Run:
    """Run trials on real threads in sandbox processes until a limit is reached.

    Findings are saved as they come. A KeyboardInterrupt ends the run with the results so far.
    Raises InvalidArgument for wrong options, before anything is started.
    """
    options = checked(options)
    store = FindingStore(options.findings_directory)
    store.check_writable()
    tally = _Tally()
    reason = ""
    with ExitStack() as stack:
        supervisor, endpoint = _open(options, stack)
        tally.began = time.monotonic()

        def tick() -> None:
            if on_progress is not None:
                on_progress(tally.progress(options))

        try:
            for record in supervisor.run(_trials(options, tally), tick=tick):
                endpoint.check_running()
                tally.add(record)
                _keep(record, options, store, tally)
                if options.stop_on_first and tally.findings:
                    reason = "the first finding was asked for"
                    break
            tick()
        except KeyboardInterrupt:
            reason = "interrupted"
    return _conclude(options, tally, reason)


def replay_finding(
    finding: Finding,
    *,
    attempts: int,
    jobs: int = 1,
    trial_timeout_s: float | None = None,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> Replay:
    """Run the plan and the noise of a finding again, `attempts` times, each in a sandbox.

    Raises InvalidArgument where the finding names a workload or a mutant that is not there.
    """
    _check_positive("attempts", attempts)
    settings = finding.settings
    options = checked(
        RunOptions(
            workload=finding.workload,
            mutant=finding.mutant,
            seed=finding.seed,
            trials=attempts,
            jobs=jobs,
            size=int(settings.get("size", 1)),
            trial_timeout_s=trial_timeout_s or settings.get("trial_timeout_s"),
            memory_limit_mib=settings.get("memory_limit_mib"),
            noise=bool(settings.get("noise", True)),
            detectors=tuple(settings.get("detectors", ())),
            free_threaded=bool(settings.get("free_threaded")),
        )
    )
    payload = {**_payload(options), "plan": dict(finding.plan) if finding.plan else None}
    tally = _Tally()
    reproduced = 0
    other: dict[str, Finding] = {}
    with ExitStack() as stack:
        supervisor, endpoint = _open(options, stack)
        trials = (Trial(index, finding.seed, payload) for index in range(attempts))

        def tick() -> None:
            if on_progress is not None:
                on_progress(tally.progress(options))

        for record in supervisor.run(trials, tick=tick):
            endpoint.check_running()
            tally.add(record)
            found = judge(record, _origin(options, record.trial))
            same = any(again.fingerprint == finding.fingerprint for again in found)
            reproduced += same
            tally.occurrences += len(found)
            tally.findings.update({f.fingerprint: f for f in found})
            other.update({f.fingerprint: f for f in found if f.fingerprint != finding.fingerprint})
    return Replay(attempts, reproduced, tuple(other.values()))


def checked(options: RunOptions) -> RunOptions:
    """The options with defaults filled in. Raises InvalidArgument, naming the value."""
    if ":" in options.workload:
        if options.mutant:
            raise InvalidArgument(
                f"mutant {options.mutant!r} changes hermes, which {options.workload!r} is not; "
                "leave --mutant out or choose a workload"
            )
        load_target(options.workload)
    else:
        _check_name("workload", options.workload, WORKLOADS)
    check_observers(options.detectors)
    if options.detectors and not extras.has_bytecode():
        raise missing_extra("--detect", "bytecode")
    if options.mutant is not None:
        _check_name("mutant", options.mutant, MUTANTS)
    for name in ("trials", "jobs", "size", "memory_limit_mib", "trial_timeout_s", "time_limit_s"):
        value = getattr(options, name)
        if value is not None:
            _check_positive(name, value)
    if options.trials is None and options.time_limit_s is None:
        options = replace(options, time_limit_s=DEFAULT_TIME_LIMIT_S)
    if options.trial_timeout_s is None:
        options = replace(options, trial_timeout_s=trial_timeout(options.size))
    return options


def _check_name(what: str, name: str, known: Mapping[str, object]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    raise InvalidArgument(f"there is no {what} {name!r}; {hint}")


def _check_positive(name: str, value: float) -> None:
    if value <= 0:
        raise InvalidArgument(f"{name} is {value}; it must be above 0")


def _open(options: RunOptions, stack: ExitStack) -> tuple[Supervisor, Endpoint]:
    """Start the sandboxes and, where a workload needs it, the endpoint; closed with `stack`."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hermes-stress-")))
    endpoint = Endpoint("")
    environment: Mapping[str, str] = {}
    program = "run_target"
    settings = {"keep": "violations"}
    if ":" not in options.workload:
        if options.endpoint:
            endpoint = Endpoint(options.endpoint, os.environ.get("SSL_CERT_FILE", ""))
            check_endpoint(endpoint)
        else:
            endpoint = stack.enter_context(serve_endpoint(directory / "endpoint"))
        environment = endpoint.environment()
        program = "run_plan"
        settings["prepare"] = "stress.workloads.warm_up:warm_up"
    supervisor = Supervisor(
        f"stress.program:{program}",
        settings=settings,
        jobs=min(options.jobs, options.trials or options.jobs),
        trial_timeout_s=options.trial_timeout_s or trial_timeout(options.size),
        memory_limit_mib=options.memory_limit_mib,
        noise=options.noise,
        directory=directory / "sandbox",
        environment=environment,
    )
    return stack.enter_context(supervisor), endpoint


def _payload(options: RunOptions) -> dict[str, Any]:
    looks = {"detectors": options.detectors, "free_threaded": options.free_threaded}
    more = looks if options.detectors else {}
    if ":" in options.workload:
        return {"target": options.workload, **more}
    return {"workload": options.workload, "size": options.size, "mutant": options.mutant, **more}


def _trials(options: RunOptions, tally: _Tally) -> Iterator[Trial]:
    payload = _payload(options)
    index = 0
    while options.trials is None or index < options.trials:
        if options.time_limit_s is not None and tally.elapsed_s >= options.time_limit_s:
            return
        yield Trial(index, trial_seed(options.seed, index), payload)
        index += 1


def _origin(options: RunOptions, trial: Trial) -> Origin:
    is_target = ":" in options.workload
    plan = None if is_target else WORKLOADS[options.workload].draw(trial.seed, options.size)
    return Origin(
        workload=options.workload,
        target=options.workload.partition(":")[0] if is_target else "hermes",
        mutant=options.mutant,
        plan=plan.to_json() if plan else {},
        settings={
            "size": options.size,
            "noise": options.noise,
            "trial_timeout_s": options.trial_timeout_s,
            "memory_limit_mib": options.memory_limit_mib,
            **({"detectors": list(options.detectors)} if options.detectors else {}),
            **({"free_threaded": True} if options.free_threaded else {}),
        },
    )


def _keep(record: TrialRecord, options: RunOptions, store: FindingStore, tally: _Tally) -> None:
    if record.condition is Condition.FINISHED and not record.report.get("violations"):
        return
    for finding in judge(record, _origin(options, record.trial)):
        tally.occurrences += 1
        artifacts = Path(record.artifacts) if record.artifacts else None
        try:
            saved = store.save(finding, artifacts)
        except SaveFailed as error:
            known = tally.findings.get(finding.fingerprint)
            saved = replace(known, count=known.count + finding.count) if known else finding
            tally.unsaved[finding.fingerprint] = str(error)
        tally.findings[finding.fingerprint] = saved


def _conclude(options: RunOptions, tally: _Tally, reason: str) -> Run:
    finished = tally.conditions[Condition.FINISHED.value]
    if not reason:
        done = options.trials is not None and tally.trials >= options.trials
        reason = (
            f"all {options.trials} trials are done"
            if done
            else f"the time limit of {options.time_limit_s:g} s was reached"
        )
    if tally.findings:
        verdict = Verdict.VIOLATED
    elif finished and tally.concurrent_trials and reason != "interrupted":
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.UNKNOWN
        if not finished:
            reason += "; no trial finished, so nothing was explored"
        elif not tally.concurrent_trials:
            reason += "; no two threads ever worked at the same time, so nothing was explored"
    return Run(
        verdict=verdict,
        reason=reason,
        findings=tuple(sorted(tally.findings.values(), key=lambda f: (-f.count, f.id))),
        statistics=tally.statistics(),
        seed=options.seed,
        unsaved=tuple(tally.unsaved.values()),
    )
