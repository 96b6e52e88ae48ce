"""The protocol between the engine and a strategy, which decides who goes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from stress.events import Anchor
from stress.site import Site


class Numbers(Protocol):
    """Numbers objects by their first use; 0 for None."""

    def number(self, subject: object) -> int: ...


class Pending:
    """What a task is about to do. Good for the length of one call: the engine reuses it.

    `task` numbers tasks by their creation. `site` says what the operation is and where it stands.
    `anchor` names the operation in a way that outlives edits and Python versions; it is there in
    recorded executions only, and None in others. `yielding` is set where the task spins: it asks
    for others to go first. `waits` says that the operation is never made before it can be, as of a
    lock that is not free. `woken` counts how often the clock ended a wait of the task, and `daemon`
    says that nobody waits for its end. `key` is that of the item, where it is about one item of a
    container (see `site.kind`); of other operations it is of no meaning.
    """

    __slots__ = (
        "also", "anchor", "daemon", "key", "numbers", "object", "site", "task", "waits", "woken",
        "yielding",
    )  # fmt: skip

    def __init__(self, task: int, site: Site, numbers: Numbers) -> None:
        self.task = task
        self.site = site
        self.anchor: Anchor | None = None
        self.yielding = False
        self.waits = False
        self.daemon = False
        self.woken = 0
        self.object: Any = None
        self.also: Any = None
        self.key: object = None
        self.numbers = numbers

    @property
    def subject(self) -> int:
        """The number of the object that the operation is about; 0 where there is none.

        Objects are numbered when they are first asked for, so that the same strategy sees the
        same numbers in every execution with the same choices.
        """
        subject = self.object
        if getattr(type(subject), "is_gate_of", False):
            subject = subject.of
        return self.numbers.number(subject)

    @property
    def second(self) -> int:
        """The number of another object: the lock that a wait frees, the container that a method is
        given, or an iterator goes through; 0 where there is none, and the first of several."""
        return next(iter(self.others), 0)

    @property
    def others(self) -> Sequence[int]:
        """The numbers of all of them."""
        also = self.also
        if also is None:
            return ()
        if type(also) is tuple:
            return tuple(map(self.numbers.number, also))
        return (self.numbers.number(also),)

    @property
    def joins(self) -> Sequence[int]:
        """The tasks that must be over before it is made."""
        return self.object.members if self.site.kind == "join" else ()

    def __repr__(self) -> str:
        return f"Pending({self.task}, {self.site.kind!r}, {self.site.name!r})"


class Strategy(Protocol):
    """Chooses the next task at every scheduling point; lives across executions.

    Its randomness comes from its seed alone, so that the same seed makes the same choices. It must
    not keep or change what it is shown. It may say more of itself by attributes:

    - `complete`, of one that comes to an end: whether it then has tried everything;
    - `sampled`, of one whose executions are not all drawn at random: how many are;
    - `coverage`, of one that looks on at what executions show;
    - `scheduled`, of one that passes over choices: at what share of them it did not (0 to 1);
    - `member`, of one that consists of others: who made the last execution;
    - `every_step`: if it is true, the strategy is asked at every step since there is a second task,
      also where one alone is ready, and the release of a lock is a step of its own; at a deadlock
      it is asked as well, with none that is ready, and what it gives is of no matter.
    """

    def begin(self, execution: int) -> bool:
        """Get ready for this execution, counted from 0; False where there is none left to try.

        It may be asked twice for the same one, where that has to begin anew; and for the first one
        again, where the first few found a state that no later one does (a cache that was empty).
        """
        ...

    def choose(self, ready: Sequence[int], pending: Sequence[Pending], current: int | None) -> int:
        """The number of the task to run next, one of `ready`.

        `ready` holds at least two numbers of tasks, in order; see also `every_step`.
        `pending[number]` is what a task is about to do. `current` is the task that has just run;
        None where it has ended or waits, and so is not ready.
        """
        ...
