"""Noise follows from the seed alone, disturbs boundaries only, and changes no record."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.parallel import noise as noise_module
from stress.parallel.flight_recorder import FlightRecorder, decode
from stress.parallel.noise import (
    HOT_NAMES_SHARE,
    SWITCH_INTERVAL_S_MAX,
    SWITCH_INTERVAL_S_MIN,
    Noise,
)

QUIET = Noise(
    seed=1, switch_interval_s=1e-3, gc_threshold=0, yield_share=0, sleep_share=0, sleep_s=1e-5
)


@pytest.fixture
def interpreter_settings() -> Iterator[None]:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


@settings(deadline=None)
@given(st.integers(0, 2**48))
def test_a_draw_follows_from_its_seed(seed: int) -> None:
    noise = Noise.draw(seed)
    assert noise == Noise.draw(seed)
    assert SWITCH_INTERVAL_S_MIN <= noise.switch_interval_s <= SWITCH_INTERVAL_S_MAX
    assert noise.sleep_share + noise.yield_share < 1


def test_draws_differ() -> None:
    assert len({Noise.draw(seed) for seed in range(100)}) == 100


@pytest.mark.usefixtures("interpreter_settings")
def test_apply() -> None:
    Noise(**{**fields(QUIET), "switch_interval_s": 2e-3, "gc_threshold": 57}).apply()
    assert sys.getswitchinterval() == pytest.approx(2e-3)
    assert gc.get_threshold()[0] == 57


@pytest.mark.usefixtures("interpreter_settings")
def test_a_threshold_of_zero_leaves_the_collector_alone() -> None:
    before = gc.get_threshold()
    QUIET.apply()
    assert gc.get_threshold() == before


def test_quiet_noise_wraps_nothing(tmp_path: Path) -> None:
    recorder = FlightRecorder.create(tmp_path / "recorder.bin", 0)
    assert QUIET.wrap(recorder) is recorder


def test_boundaries_are_disturbed_in_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(noise_module.time, "sleep", slept.append)
    noise = Noise(**{**fields(QUIET), "yield_share": 0.5, "sleep_share": 0.1})
    for step in range(5000):
        noise.disturb(step, 0)
        noise.disturb(step, 1)
    first = list(slept)
    # 10,000 draws: five standard deviations are 0.025 and 0.015 of the share.
    assert slept.count(0) / 10_000 == pytest.approx(0.5, abs=0.025)
    assert slept.count(noise.sleep_s) / 10_000 == pytest.approx(0.1, abs=0.015)
    slept.clear()
    for step in range(5000):
        noise.disturb(step, 0)
        noise.disturb(step, 1)
    assert slept == first


def test_a_tenth_of_the_names_is_hot() -> None:
    hot = [
        Noise(**{**fields(QUIET), "seed": seed, "hot_sleep_s": 0.01}).is_hot(f"name {number}")
        for seed in range(100)
        for number in range(100)
    ]
    # 10,000 draws: five standard deviations are 0.015 of the share.
    assert sum(hot) / 10_000 == pytest.approx(HOT_NAMES_SHARE, abs=0.015)
    assert not any(QUIET.is_hot(f"name {number}") for number in range(1000))


def test_hot_operations_sleep_at_half_their_boundaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Noise(**{**fields(QUIET), "hot_sleep_s": 0.01})
    hot = next(name for name in map(str, range(1000)) if noise.is_hot(name))
    cold = next(name for name in map(str, range(1000)) if not noise.is_hot(name))
    recorder = noise.wrap(FlightRecorder.create(tmp_path / "recorder.bin", 0))
    slept: list[float] = []
    monkeypatch.setattr(noise_module.time, "sleep", slept.append)
    for step in range(1000):
        with recorder.operation(step, hot):
            pass
    # 2,000 draws: five standard deviations are 112.
    assert 888 <= slept.count(0.01) == len(slept) <= 1112
    slept.clear()
    for step in range(1000):
        with recorder.operation(step, cold):
            pass
    assert slept == []


def test_a_disturbed_recorder_records_the_same(tmp_path: Path) -> None:
    noise = Noise(**{**fields(QUIET), "yield_share": 0.5, "sleep_share": 0.5})
    recorder = noise.wrap(FlightRecorder.create(tmp_path / "recorder.bin", 0))

    def look_up() -> None:
        with recorder.operation(3, "look up"):
            recorder.note("inside")
            raise KeyError

    with pytest.raises(KeyError):
        look_up()
    assert [(op.phase, op.name) for op in decode(tmp_path / "recorder.bin")] == [
        ("begin", "look up"),
        ("note", "inside"),
        ("error", "look up"),
    ]


def test_it_prints_what_it_does() -> None:
    assert str(QUIET) == (
        "switch interval 1000 µs, gc as usual, yields at 0% and sleeps of 10 µs at 0% of "
        "operation boundaries, hot operations sleep 0.0 ms"
    )


def fields(noise: Noise) -> dict[str, float]:
    return {name: getattr(noise, name) for name in Noise.__slots__}
