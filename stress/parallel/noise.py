"""Noise: disturbances of a trial, drawn from its seed, that make rare interleavings less rare."""

from __future__ import annotations

import gc
import itertools
import math
import random
import sys
import time
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from stress.trial import Recorder

SWITCH_INTERVAL_S_MIN = 1e-6
SWITCH_INTERVAL_S_MAX = 5e-3
SWITCH_OFTEN_SHARE = 1 / 3
SLEEP_S_MIN = 1e-5
SLEEP_S_MAX = 2e-2
HOT_NAMES_SHARE = 0.1
HOT_SLEEPS_SHARE = 0.5

# Beyond the steps of any plan.
_FIRST_INSIDE = 1 << 32
_UINT64 = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Noise:
    """What disturbs one trial. Shares are the part of operation boundaries that are disturbed.

    `gc_threshold` is the youngest generation's; 0 stands for the interpreter's own. A few names
    of operations are hot: half of their boundaries sleep for `hot_sleep_s`. Many long delays at
    one place open windows that the same delays spread over all places leave shut, and the place
    is the same when the seed is run again. With `hot_sleep_s` 0 no name is hot.
    """

    seed: int
    switch_interval_s: float
    gc_threshold: int
    yield_share: float
    sleep_share: float
    sleep_s: float
    hot_sleep_s: float = 0.0

    @classmethod
    def draw(cls, seed: int) -> Noise:
        """The noise of a trial seed: always the same for the same seed."""
        source = random.Random(f"noise/{seed}")
        return cls(
            seed=seed,
            switch_interval_s=_switch_interval(source),
            gc_threshold=source.choice((0, 0, 50, 200)),
            yield_share=source.choice((0.0, 0.1, 0.5)),
            sleep_share=source.choice((0.0, 0.02, 0.1)),
            sleep_s=_log_uniform(source, SLEEP_S_MIN, SLEEP_S_MAX),
            hot_sleep_s=source.uniform(0, SLEEP_S_MAX),
        )

    def apply(self) -> None:
        """Set the switch interval and the collector of this process, for good."""
        sys.setswitchinterval(self.switch_interval_s)
        if self.gc_threshold:
            gc.set_threshold(self.gc_threshold, *gc.get_threshold()[1:])

    def wrap(self, recorder: Recorder) -> Recorder:
        """A recorder that yields or sleeps at the boundaries of some operations.

        For an operation of the plan, which ones follows from the seed and its step alone. An
        operation inside one has no step; there it follows from how many came before it.
        """
        disturbs = self.yield_share or self.sleep_share or self.hot_sleep_s
        return _Disturbing(self, recorder) if disturbs else recorder

    def is_hot(self, name: str) -> bool:
        """Whether long delays are concentrated on this operation."""
        place = zlib.crc32(name.encode())
        return self.hot_sleep_s > 0 and _mix(self.seed, place, 0) < HOT_NAMES_SHARE

    def disturb(self, step: int, boundary: int, hot: bool = False) -> None:
        """Yield, sleep or do nothing at a boundary (0 the begin, 1 the end) of a step."""
        drawn = _mix(self.seed, step, boundary)
        if hot and drawn < HOT_SLEEPS_SHARE:
            time.sleep(self.hot_sleep_s)
        elif drawn < self.sleep_share:
            time.sleep(self.sleep_s)
        elif drawn < self.sleep_share + self.yield_share:
            time.sleep(0)

    def __str__(self) -> str:
        collector = f"gc after {self.gc_threshold}" if self.gc_threshold else "gc as usual"
        return (
            f"switch interval {self.switch_interval_s * 1e6:.0f} µs, {collector}, "
            f"yields at {self.yield_share:.0%} and sleeps of {self.sleep_s * 1e6:.0f} µs at "
            f"{self.sleep_share:.0%} of operation boundaries, "
            f"hot operations sleep {self.hot_sleep_s * 1e3:.1f} ms"
        )


class _Disturbing:
    __slots__ = ("_hot", "_inside", "_noise", "_recorder")

    def __init__(self, noise: Noise, recorder: Recorder) -> None:
        self._noise = noise
        self._recorder = recorder
        self._inside = itertools.count(_FIRST_INSIDE)
        self._hot: dict[str, bool] = {}

    def operation(self, step: int, name: str) -> AbstractContextManager[object]:
        place = step if step >= 0 else next(self._inside)
        hot = self._hot.get(name)
        if hot is None:
            hot = self._hot[name] = self._noise.is_hot(name)
        return _Disturbed(self._noise, place, hot, self._recorder.operation(step, name))

    def note(self, name: str) -> None:
        self._recorder.note(name)


class _Disturbed:
    __slots__ = ("_hot", "_inner", "_noise", "_step")

    def __init__(
        self, noise: Noise, step: int, hot: bool, inner: AbstractContextManager[object]
    ) -> None:
        self._noise = noise
        self._hot = hot
        self._step = step
        self._inner = inner

    def __enter__(self) -> None:
        self._inner.__enter__()
        self._noise.disturb(self._step, 0, self._hot)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._noise.disturb(self._step, 1, self._hot)
        self._inner.__exit__(kind, error, traceback)


def _switch_interval(source: random.Random) -> float:
    # Most races are likeliest where threads switch as often as they can.
    if source.random() < SWITCH_OFTEN_SHARE:
        return SWITCH_INTERVAL_S_MIN
    return _log_uniform(source, SWITCH_INTERVAL_S_MIN, SWITCH_INTERVAL_S_MAX)


def _log_uniform(source: random.Random, low: float, high: float) -> float:
    return math.exp(source.uniform(math.log(low), math.log(high)))


def _mix(seed: int, step: int, boundary: int) -> float:
    """A number in [0, 1) that follows from the three: splitmix64's finish, no state to share."""
    value = (seed + (2 * step + boundary + 1) * 0x9E37_79B9_7F4A_7C15) & _UINT64
    value = ((value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9) & _UINT64
    value = ((value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB) & _UINT64
    return (value ^ (value >> 31)) / (_UINT64 + 1)
