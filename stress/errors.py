"""Error families of the harness, never mixed with one another nor with a finding.

A finding is a result, not an error: see `stress.finding`. This file imports nothing of ours.
"""

from __future__ import annotations


class StressError(Exception):
    """Base of everything the harness raises on its own account."""


class InvalidArgument(StressError):
    """Wrong use of the tool. The message names the value and the next step; exit code 2."""


class MissingExtra(InvalidArgument, ImportError):
    """What is asked for needs packages of an extra that is not installed; exit code 2."""


def missing_extra(what: str, package: str) -> MissingExtra:
    """That `what` needs this package of the extra `explore`."""
    return MissingExtra(
        f"{what} needs {package}, which is not installed: "
        "python3 -m pip install 'hermes-stress[explore]'"
    )


class HarnessFault(StressError):
    """A defect of the harness itself, or of the machine below it; exit code 4."""


class ScheduleDiverged(StressError):
    """A replay met another step than its schedule says: the program does not follow from it."""


class InvariantViolated(AssertionError):
    """An invariant that the user gave does not hold: raised inside of the program, a finding."""


class NotLinearizable(AssertionError):
    """No order of the calls explains their answers: raised inside of the program, a finding."""


class FindingsFound(AssertionError):
    """What `Exploration.raise_if_violated` raises: the text of the findings."""
