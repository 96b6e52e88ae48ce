"""One exploration, to its verdict: where engine and strategies meet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from stress.controlled import (
    NOT_THE_SAME,
    REHEARSED_STEPS,
    Laboratory,
    Repeatability,
    Unsuitable,
)
from stress.detect.watched import Watched
from stress.detection import Detection
from stress.diagnosis import Execution, diagnose, is_wrong, merged
from stress.engine.outcome import Ending, Outcome
from stress.engine.recursion import TOO_DEEP
from stress.engine.stalls import Stalled
from stress.errors import FindingsFound, InvalidArgument, ScheduleDiverged
from stress.finding import Finding, Verdict
from stress.finding_store import DEFAULT_DIRECTORY, FindingStore
from stress.options import origin_of
from stress.reducer import reduced
from stress.settings import read_settings
from stress.statistics import Coverage, Statistics
from stress.strategy import Strategy
from stress.tally import Tally

#: After so many executions without a finding it is seen whether the program does the same twice.
REHEARSED_AFTER = 8
#: How often progress is told, at most.
PROGRESS_S = 0.1
#: What findings are shrunk with at most.
SHRINK_EXECUTIONS, SHRINK_STEPS = 200, 100_000
#: Why a systematic strategy ends.
COMPLETE = "all interleavings were executed"


@dataclass(frozen=True, slots=True)
class Exploration:
    """What came of exploring a program. `reason` says why it stopped.

    `notices` tells what else the user should know, a sentence each: calls that were not under
    control, targets without a function, a change of carrier.
    """

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    statistics: Statistics
    notices: tuple[str, ...] = ()

    def raise_if_violated(self) -> None:
        """Raises FindingsFound, an AssertionError whose text is the report of the findings.

        They are kept where `hermes-stress` keeps them too, so that they can be replayed.
        """
        # pytest then shows the line of the test that asked, and the report.
        __tracebackhide__ = True
        if self.verdict is Verdict.VIOLATED:
            from stress.report.console import render_finding

            findings = [_kept(finding) for finding in self.findings]
            raise FindingsFound("\n\n".join(map(render_finding, findings)))


class _OnlyAtFirst(Exception):
    """The first executions found a state that no later one does: a cache was filled, say."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an exploration is; `findings` counts executions that went wrong, and `shrinking`
    those that were made to shrink what was found."""

    executions: int
    elapsed_s: float
    findings: int
    executions_per_s: float
    time_left_s: float | None
    shrinking: int = 0


@dataclass
class Explorer:
    """The mutable state of one exploration; gives an Exploration in the end."""

    program: Callable[[], object]
    strategy: Strategy
    executions: int
    seed: int
    step_limit: int
    #: Makes the strategy anew, where it has to begin again.
    anew: Callable[[], Strategy] | None = None
    time_limit_s: float | None = None
    saturation: int | None = None
    stop_on_first: bool = True
    on_progress: Callable[[Progress], None] | None = None
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    rehearsal: Repeatability = field(default_factory=Repeatability)
    rehearsed: bool = False
    ended: str = ""
    tally: Tally = field(default_factory=Tally)
    first: Outcome | None = None
    interrupted: bool = False
    complete: bool = False
    detection: Detection = field(default_factory=lambda: Detection(()))
    began: float = field(default_factory=time.perf_counter)
    #: When there was nothing left to explore: to shrink takes longer.
    over: float | None = None
    shrinking: int = 0
    told_s: float = 0.0

    @property
    def elapsed_s(self) -> float:
        return (self.over or time.perf_counter()) - self.began

    def explore(self, lab: Laboratory) -> None:
        self.reason = done = f"all {self.executions} executions are done"
        try:
            try:
                self._explore(lab)
            except _OnlyAtFirst:
                # What the strategy has learned is of a state that will never be again.
                self.tally, self.strategy = Tally(), self.anew() if self.anew else self.strategy
                self.complete, self.reason = False, done
                self._explore(lab)
        except KeyboardInterrupt:
            self.interrupted = True
            self.reason = "interrupted"
        except (Stalled, Unsuitable, ScheduleDiverged) as error:
            self.ended = str(error)

    def _explore(self, lab: Laboratory) -> None:
        """All executions, up to a reason to stop.

        That the program does the same twice is looked at when some of them have found nothing: what
        finds something is executed again anyway.
        """
        try:
            for number in range(self.executions):
                if number == REHEARSED_AFTER:
                    self._rehearse(lab)
                if not self._execute(lab, number):
                    break
            else:
                if getattr(self.strategy, "complete", False):
                    self.complete, self.reason = True, COMPLETE
        except ScheduleDiverged:
            self._rehearse(lab)
            raise
        self._rehearse(lab)

    def _execute(self, lab: Laboratory, number: int) -> bool:
        """One execution, and what it finds; gives whether there is to be another one."""
        outcome = lab.execute(
            self.program,
            self.strategy,
            number=number,
            seed=self.seed,
            step_limit=self.step_limit,
        )
        if outcome is None:
            self.complete = bool(getattr(self.strategy, "complete", False))
            self.reason = COMPLETE if self.complete else "the strategy has nothing left to try"
            return False
        self.first = self.first or outcome
        wrong = self._judge(lab, number, outcome)
        if (self._detect(lab, number, outcome) or wrong) and self.stop_on_first:
            self.reason = "the first finding was asked for"
            return False
        if self._is_over(outcome):
            return False
        if self.on_progress is not None and self.elapsed_s >= self.told_s + PROGRESS_S:
            self.told_s = self.elapsed_s
            self.on_progress(self._progress())
        return True

    def _is_over(self, outcome: Outcome) -> bool:
        """Whether there is a reason to stop after an execution, other than what it found."""
        if outcome.stuck:
            self.reason = "a task could not be ended, and is left where it is"
        elif self.time_limit_s is not None and self.elapsed_s >= self.time_limit_s:
            self.reason = f"the time limit of {self.time_limit_s:g} s was reached"
        elif self.saturation is not None and self._is_saturated(self.saturation):
            self.reason = f"{self.saturation} executions in a row showed nothing new"
        else:
            return False
        return True

    def _rehearse(self, lab: Laboratory) -> None:
        """Look whether the program does the same twice, unless that is known."""
        first = self.first
        if self.rehearsed or self.findings or first is None or first.stuck or first.uncontrolled:
            return
        self.rehearsed = True
        found = lab.check_repeatable(self.program, self.seed, self.step_limit, first)
        found.difference = self.rehearsal.difference or found.difference
        self.rehearsal = found
        if found.at_first and not found.difference:
            raise _OnlyAtFirst

    def _explain(
        self, lab: Laboratory, number: int, outcome: Outcome, watched: bool = False
    ) -> tuple[Execution, str]:
        """The execution again, recorded, and a note where it did not come out the same."""
        execution, note, again = lab.explain(
            self.program, outcome, number, self.seed, self.step_limit, watched
        )
        if again is not None and not self.rehearsed and not again.difference:
            self.rehearsed = True
            self.rehearsal = Repeatability(at_first=NOT_THE_SAME + note, executions=[execution])
            raise _OnlyAtFirst
        return execution, note

    def _is_saturated(self, executions: int) -> bool:
        coverage: Coverage = self.strategy.coverage  # type: ignore[attr-defined]
        return self.tally.done - coverage.last_new >= executions

    def shrink(self, lab: Laboratory) -> None:
        """Make the schedules of the findings smaller. By steps, not by seconds: so that the same
        finding always becomes the same, and a long execution is not made too often."""
        self.over = time.perf_counter()
        origin = origin_of(self.program, lab, self.step_limit)
        kept = []
        for finding in self.findings:
            limit = min(SHRINK_EXECUTIONS, SHRINK_STEPS // max(len(finding.trace), 1))
            smaller = None
            if limit > 1 and finding.trace and not self.interrupted:
                try:
                    smaller = reduced(
                        self.program, finding, lab, origin, self.step_limit, limit, self._shrinks
                    )
                except KeyboardInterrupt:
                    self.interrupted = True
            kept.append(smaller or finding)
        self.findings = tuple(kept)

    def _shrinks(self) -> None:
        """Tell that one more execution is made to shrink."""
        self.shrinking += 1
        elapsed = time.perf_counter() - self.began
        if self.on_progress is not None and elapsed >= self.told_s + PROGRESS_S:
            self.told_s = elapsed
            told = replace(self._progress(), elapsed_s=elapsed, time_left_s=None)
            self.on_progress(replace(told, shrinking=self.shrinking))

    def _judge(self, lab: Laboratory, number: int, outcome: Outcome) -> bool:
        if not self.tally.add(outcome):
            return False
        if lab.outsiders and not outcome.failures:
            # What nobody under control can end, one of those might.
            names = ", ".join(lab.outsiders)
            self.tally.uncontrolled[f"threads from before ({names}); start them in the program"] = (
                None
            )
            return False
        origin = origin_of(self.program, lab, self.step_limit)
        execution, note = self._explain(lab, number, outcome)
        too_deep = TOO_DEEP in execution.outcome.uncontrolled
        if too_deep and not any(isinstance(f.error, RecursionError) for f in outcome.failures):
            # What came up in our midst may have left things half done.
            self.tally.uncontrolled[TOO_DEEP] = None
            return False
        found = (self._found_by(finding) for finding in diagnose(execution, origin, note))
        self.findings = merged((*self.findings, *found))
        return True

    def _detect(self, lab: Laboratory, number: int, outcome: Outcome) -> bool:
        """Whether detectors find something that is new in an execution."""
        strategy = self.strategy
        if not isinstance(strategy, Watched):
            return False
        if not self.detection.is_suspicious(strategy.steps, outcome):
            return False
        origin = origin_of(self.program, lab, self.step_limit)
        execution, note = self._explain(lab, number, outcome, watched=True)
        if note:
            # What was suspicious cannot be shown: that is not to pass for nothing.
            self.rehearsal.difference = self.rehearsal.difference or note
            return False
        lead = partial(lab.lead, self.program, seed=self.seed, step_limit=self.step_limit)
        found = self.detection.findings(execution, origin, lead)
        known = {finding.fingerprint for finding in self.findings}
        new = [self._found_by(one) for one in found if one.fingerprint not in known]
        if new and not is_wrong(outcome):
            self.tally.wrong += 1
        self.findings = merged((*self.findings, *new))
        return bool(new)

    def _found_by(self, finding: Finding) -> Finding:
        member = getattr(self.strategy, "member", "")
        if not member:
            return finding
        return replace(finding, details={**finding.details, "found_by": member})

    def conclude(self, lab: Laboratory) -> Exploration:
        if not self.findings and not lab.outsiders:
            self._add_rehearsal(lab)
        verdict, why = self._verdict(lab)
        elapsed = self.elapsed_s
        sampled = (
            self.tally.done if self.complete else getattr(self.strategy, "sampled", self.tally.done)
        )
        clean = 0 if self.tally.wrong else min(sampled, self.tally.done)
        return Exploration(
            verdict=verdict,
            reason=why or self.reason,
            findings=self.findings,
            statistics=Statistics(
                executions=self.tally.done,
                steps=self.tally.steps,
                context_switches=self.tally.context_switches,
                preemptions=self.tally.preemptions,
                tasks_max=self.tally.tasks,
                elapsed_s=elapsed,
                executions_per_s=self.tally.done / elapsed if elapsed else 0.0,
                clean_executions=clean,
                complete=self.complete,
                coverage=getattr(self.strategy, "coverage", None),
                scheduled=getattr(self.strategy, "scheduled", 1.0),
            ),
            notices=(
                *lab.notices,
                *self.detection.notices,
                *filter(None, (self.rehearsal.difference, self.rehearsal.notice)),
            ),
        )

    def _add_rehearsal(self, lab: Laboratory) -> None:
        """What went wrong before the strategy was asked, and never again, is not lost."""
        origin = origin_of(self.program, lab, self.step_limit)
        rehearsal = self.rehearsal
        note = rehearsal.difference or rehearsal.at_first
        for execution in rehearsal.executions:
            if execution.outcome.ending is Ending.STEP_LIMIT and self.step_limit > REHEARSED_STEPS:
                continue  # It was cut short.
            if is_wrong(execution.outcome):
                self.tally.wrong += 1
                self.findings = merged((*self.findings, *diagnose(execution, origin, note)))

    def _progress(self) -> Progress:
        elapsed = self.elapsed_s
        rate = self.tally.done / elapsed if elapsed else 0.0
        left = [] if self.time_limit_s is None else [self.time_limit_s - elapsed]
        if rate:
            left.append((self.executions - self.tally.done) / rate)
        return Progress(
            executions=self.tally.done,
            elapsed_s=elapsed,
            findings=self.tally.wrong,
            executions_per_s=rate,
            time_left_s=max(0.0, min(left)) if left else None,
        )

    def _verdict(self, lab: Laboratory) -> tuple[Verdict, str]:
        if self.findings:
            return Verdict.VIOLATED, ""
        if self.ended:
            return Verdict.UNKNOWN, self.ended
        if self.interrupted and not self.tally.done:
            return Verdict.UNKNOWN, "interrupted before the first execution was done"
        if self.tally.uncontrolled:
            return Verdict.UNKNOWN, f"not under control: {'; '.join(self.tally.uncontrolled)}"
        if self.tally.limits_hit:
            return (
                Verdict.UNKNOWN,
                f"{self.tally.limits_hit} of {self.tally.done} executions came to the step limit "
                f"of {self.step_limit}; is there a loop that spins?",
            )
        if self.rehearsal.difference:
            return Verdict.UNKNOWN, self.rehearsal.difference
        if not self.tally.real_choices:
            instead = " ".join(lab.missing_notices)
            return (
                Verdict.UNKNOWN,
                "no execution ever had two ready tasks, so nothing was explored"
                + (f"; {instead}" if instead else ""),
            )
        if lab.missing_notices:
            return Verdict.UNKNOWN, " ".join(lab.missing_notices)
        return (Verdict.UNKNOWN if self.interrupted else Verdict.HOLDS), ""


def _kept(finding: Finding) -> Finding:
    """The finding as it is on disk, its count aside; itself where it cannot be written."""
    try:
        directory = read_settings(Path("pyproject.toml"), os.environ).findings
        saved = FindingStore(directory or DEFAULT_DIRECTORY).save(finding)
    except InvalidArgument:
        return finding
    return replace(saved, count=finding.count)
