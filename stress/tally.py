"""What the executions of one exploration come to, added up."""

from __future__ import annotations

from dataclasses import dataclass, field

from stress.diagnosis import is_wrong
from stress.engine.outcome import Ending, Outcome


@dataclass
class Tally:
    """Counts executions; `wrong` are those that show a defect, `limits_hit` those that came to the
    step limit. `uncontrolled` are calls that were not under control, each once, as they came."""

    done: int = 0
    wrong: int = 0
    limits_hit: int = 0
    #: Executions in which there was anything to choose.
    real_choices: int = 0
    tasks: int = 0
    steps: int = 0
    context_switches: int = 0
    preemptions: int = 0
    uncontrolled: dict[str, None] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> bool:
        """Count an execution; gives whether it shows a defect."""
        self.done += 1
        self.steps += outcome.steps
        self.context_switches += outcome.context_switches
        self.preemptions += outcome.preemptions
        # What is rare is looked at first: this is called for each of many thousand executions.
        if outcome.chosen:
            self.real_choices += 1
        if outcome.tasks > self.tasks:
            self.tasks = outcome.tasks
        if outcome.uncontrolled:
            self.uncontrolled.update(dict.fromkeys(outcome.uncontrolled))
        if outcome.ending is Ending.STEP_LIMIT:
            self.limits_hit += 1
        wrong = is_wrong(outcome)
        self.wrong += wrong
        return wrong
