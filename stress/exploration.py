"""Controlled execution of a program, over and over: the doors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from stress.controlled import Unsuitable, laboratory
from stress.detect.suspicion import Detector
from stress.detection import Detection, detection_of
from stress.diagnosis import diagnose, is_wrong
from stress.engine.fork_join import fork_join
from stress.engine.stalls import Stalled
from stress.errors import InvalidArgument, InvariantViolated, ScheduleDiverged
from stress.explorer import Exploration as Exploration
from stress.explorer import Explorer
from stress.explorer import Progress as Progress
from stress.finding import Finding
from stress.finding_store import FindingStore
from stress.options import check_options, name_of, options_of, origin_of
from stress.schedule import Schedule
from stress.strategies.catalogue import strategy_of
from stress.strategies.focused import Focused
from stress.strategies.observed import Observed
from stress.strategies.replay import ReplayStrategy
from stress.strategy import Strategy


def explore(
    program: Callable[[], object],
    *,
    strategy: str | Strategy = "portfolio",
    executions: int = 1000,
    seed: int = 0,
    targets: Collection[str] | None = None,
    carrier: str = "auto",
    step_limit: int = 100_000,
    time_limit_s: float | None = None,
    saturation: int | None = None,
    focus: bool = False,
    detectors: Collection[str | Detector] = (),
    free_threaded: bool = False,
    stop_on_first: bool = True,
    shrink: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Run `program` again and again under control, each time with other choices.

    `program` takes no argument, is the first task, and may start threads. Accesses to shared
    state are scheduling points in the functions of `targets`, modules and packages by name, and
    in `program` itself; by default that is the module of `program`. An execution that takes more
    than `step_limit` scheduling points is ended; `time_limit_s` bounds the whole, in seconds, and
    with `saturation` it ends after so many executions in a row that showed nothing new. With
    `focus`, a strategy that draws at random is mostly asked where tasks touch what they share.
    `detectors` look at every execution for what no exception tells: "races", "atomicity",
    "lock-order", "leaks", or functions of your own (see `stress.detect`); with `free_threaded`
    they also tell what is harmless only as long as there is a lock of the interpreter. With
    `shrink`, findings come with the fewest preemptions that a few more executions find.

    It is violated when an exception leaves a task, when tasks deadlock, or when they spin for
    ever. It is unknown when nothing was explored, when the program did things that are not under
    control, or when it does not do the same twice. Raises InvalidArgument for wrong options, and
    KeyboardInterrupt never: then the reason says so.
    """
    check_options(executions, step_limit, time_limit_s, carrier, saturation)
    detection = Detection(detectors, free_threaded=free_threaded)

    def made() -> Strategy:
        return detection.watching(_made(strategy, seed, focus, saturation))

    run = Explorer(
        program=program,
        strategy=made(),
        anew=made,
        detection=detection,
        executions=executions,
        seed=seed,
        step_limit=step_limit,
        time_limit_s=time_limit_s,
        saturation=saturation,
        stop_on_first=stop_on_first,
        on_progress=on_progress,
    )
    with ExitStack() as stack:
        lab = stack.enter_context(
            laboratory(program, targets, carrier, listening=detection.listens)
        )
        run.explore(lab)
        if shrink:
            run.shrink(lab)
        return run.conclude(lab)


def replay(
    program: Callable[[], object],
    schedule: Schedule | Finding | Path | str,
    *,
    targets: Collection[str] | None = None,
    carrier: str | None = None,
    step_limit: int | None = None,
) -> Exploration:
    """Run `program` once, with the switches of `schedule`: itself, or of a finding, or of its file.

    A finding brings the options that it was found with; others take the place of those. Raises
    ScheduleDiverged where the program does otherwise, with what was expected and found.
    """
    settings: Mapping[str, Any] = {}
    if isinstance(schedule, Path | str):
        schedule = FindingStore().load(schedule)
    if isinstance(schedule, Finding):
        settings = schedule.settings
        if schedule.schedule is None:
            raise InvalidArgument(
                f"finding {schedule.id} is of parallel execution and has no schedule; "
                "`hermes-stress replay` runs it again"
            )
        schedule = schedule.schedule
    targets, carrier, step_limit = options_of(settings, targets, carrier, step_limit)
    check_options(1, step_limit, None, carrier)
    strategy = ReplayStrategy(schedule)
    detection = detection_of(settings)
    run = Explorer(
        program=program, strategy=strategy, executions=1, seed=schedule.seed, step_limit=step_limit
    )
    with laboratory(program, targets, carrier, listening=detection.listens) as lab:
        try:
            execution = lab.record(
                program,
                detection.watching(strategy),
                seed=schedule.seed,
                step_limit=step_limit,
                enforcing=False,
                release_points=schedule.switches_at_release or detection.is_on,
            )
        except (Stalled, Unsuitable) as error:
            run.ended = str(error)
            return run.conclude(lab)
        run.tally.add(execution.outcome)
        origin = origin_of(program, lab, step_limit)
        lead = partial(lab.lead, program, seed=schedule.seed, step_limit=step_limit)
        detected = detection.findings(execution, origin, lead)
        if strategy.left and not is_wrong(execution.outcome) and not detected:
            raise ScheduleDiverged(
                f"the program ended before the schedule did: expected that {strategy.left[0]}"
            )
        run.findings += (*diagnose(execution, origin), *detected)
        run.reason = "the schedule was replayed"
        if strategy.left:
            run.reason += f", up to before it says that {strategy.left[0]}"
        return run.conclude(lab)


def check_threads(
    setup: Callable[[], Any],
    workers: Sequence[Callable[[Any], object]],
    invariant: Callable[[Any], object],
    **options: Any,
) -> Exploration:
    """Explore workers that share a state: `setup()` makes it, each worker is a thread that gets it,
    and `invariant(state)` must be true when all are done.

    `options` are those of `explore`; the default targets are the modules of the three. Raises
    InvalidArgument where a worker cannot be called.
    """
    return explore(
        ThreeFunctions(setup, tuple(workers), invariant),
        **{"targets": _modules(setup, *workers, invariant), **options},
    )


def _made(strategy: str | Strategy, seed: int, focus: bool, saturation: int | None) -> Strategy:
    made = strategy_of(strategy, seed)
    if focus and not hasattr(made, "scheduled"):
        if hasattr(made, "complete") or getattr(made, "every_step", False):
            raise InvalidArgument(
                f"strategy {strategy!r} goes by all operations; focus is for random, pct, pos, surw"
            )
        made = Focused(made)
    return made if saturation is None or hasattr(made, "coverage") else Observed(made)


class ThreeFunctions:
    """The program of `check_threads`."""

    def __init__(
        self,
        setup: Callable[[], Any],
        workers: Sequence[Callable[[Any], object]],
        invariant: Callable[[Any], object],
    ) -> None:
        for function in (setup, *workers, invariant):
            if not callable(function):
                raise InvalidArgument(f"{function!r} is not callable; give functions")
        if not workers:
            raise InvalidArgument("workers is empty; give at least one function")
        self._setup, self._invariant = setup, invariant
        self._workers = tuple((worker, name_of(worker)) for worker in workers)
        # A finding is about the functions of the user, by whose names it is told and known again.
        self.__module__ = str(getattr(invariant, "__module__", type(self).__module__))
        first, *names, last = (name_of(f).rpartition(".")[2] for f in (setup, *workers, invariant))
        # As it would be written, to be replayed.
        self.__qualname__ = f"ThreeFunctions({first}, [{', '.join(names)}], {last})"

    def __call__(self) -> None:
        state = self._setup()
        fork_join(self._workers, state)
        if not self._invariant(state):
            raise InvariantViolated(f"invariant {name_of(self._invariant)!r} does not hold")


def _modules(*functions: Any) -> tuple[str, ...]:
    found = {getattr(function, "__module__", None) for function in functions}
    # `setup` may well be `dict`.
    return tuple(sorted(module for module in found if module and module != "builtins"))
