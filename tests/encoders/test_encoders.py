"""Encoders: statistics, range, order of spikes, seeds, streaming."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.encoders.base import ENCODERS
from spikeformers.encoders.latency import LatencyConfig
from spikeformers.encoders.poisson import PoissonConfig
from spikeformers.encoders.rate import RateConfig

FAMILIES = ENCODERS.families()
values = st.floats(0.0, 1.0, width=32)


def encoder(name: str):
    return ENCODERS.config(name).build()


@pytest.mark.parametrize("name", FAMILIES)
def test_output_has_the_steps_first_and_the_input_s_shape_and_type(name: str) -> None:
    for dtype in (torch.float32, torch.float64):
        y = encoder(name)(torch.rand(2, 3, 4, 4, dtype=dtype), 5)
        assert y.shape == (5, 2, ENCODERS.config(name).channels(3), 4, 4)
        assert y.dtype == dtype


@pytest.mark.parametrize("name", FAMILIES)
def test_streaming_step_by_step_gives_the_same_code(name: str) -> None:
    x, code = torch.rand(2, 3, 4), encoder(name)
    whole = code(x, 6, generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    streamed = torch.stack([code.step(x, t, 6, generator=generator) for t in range(6)])
    assert torch.equal(whole, streamed)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_code(name: str) -> None:
    x, code = torch.rand(2, 3, 8), encoder(name)
    torch.manual_seed(1)
    first = code(x, 4)
    torch.manual_seed(1)
    assert torch.equal(first, code(x, 4))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("wrong", [torch.tensor([-0.5, 0.5]), torch.tensor([0.5, 2.0]), torch.tensor([float("nan")])])
def test_values_outside_the_unit_interval_are_refused(name: str, wrong: torch.Tensor) -> None:
    with pytest.raises(ShapeError, match=r"\[0, 1\]"):
        encoder(name)(wrong, 4)


@pytest.mark.parametrize("name", FAMILIES)
def test_whole_numbers_and_zero_steps_are_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="floating-point"):
        encoder(name)(torch.ones(2, dtype=torch.int64), 4)
    with pytest.raises(ShapeError, match="at least 1"):
        encoder(name)(torch.rand(2), 0)


def test_direct_repeats_the_normalized_value_without_a_copy() -> None:
    x = torch.rand(2, 1, 3, 3)
    y = encoder("direct")(x, 4, normalize=lambda v: (v - 0.5) / 0.25)
    assert y.stride(0) == 0
    assert torch.equal(y[3], (x - 0.5) / 0.25)


@pytest.mark.parametrize("name", ["poisson", "rate", "latency"])
def test_spikes_are_not_normalized_and_are_zero_or_one(name: str) -> None:
    y = encoder(name)(torch.rand(64), 8, normalize=lambda v: v * 100 - 7)
    assert set(y.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("max_rate", [1.0, 0.5])
def test_poisson_rate_is_within_five_standard_errors(max_rate: float) -> None:
    steps, x = 4000, torch.linspace(0, 1, 11)
    rate = PoissonConfig(max_rate=max_rate).build()(x, steps, generator=torch.Generator().manual_seed(0)).mean(0)
    p = max_rate * x
    assert ((rate - p).abs() <= 5 * (p * (1 - p) / steps).sqrt() + 1e-9).all()


def test_poisson_steps_are_independent_of_each_other() -> None:
    spikes = encoder("poisson")(torch.full((20000,), 0.5), 2)
    assert abs(float((spikes[0] * spikes[1]).mean()) - 0.25) < 0.02


def test_a_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    encoder("poisson")(torch.rand(3, generator=torch.Generator()), 4, generator=torch.Generator())
    assert torch.equal(before, torch.get_rng_state())


@given(x=values, steps=st.integers(1, 64), phase=st.floats(0.0, 0.99))
@settings(max_examples=80, deadline=None)
def test_rate_fires_as_often_as_its_formula_says(x: float, steps: int, phase: float) -> None:
    spikes = RateConfig(phase=phase).build()(torch.tensor([x]), steps)
    wide = torch.tensor([x]).double()
    assert spikes.sum().item() == (wide * steps + phase).floor().item()
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


def test_rate_spreads_its_spikes_evenly() -> None:
    times = encoder("rate")(torch.tensor([0.25]), 16)[:, 0].nonzero().flatten()
    assert (times.diff() == 4).all()


@given(x=values, steps=st.integers(1, 64))
@settings(max_examples=80, deadline=None)
def test_latency_fires_once_and_tells_the_value_to_one_step(x: float, steps: int) -> None:
    spikes = encoder("latency")(torch.tensor([x]), steps)[:, 0]
    assert spikes.sum().item() == (1 if x > 0 else 0)
    if x > 0:
        decoded = (steps - spikes.argmax().item()) / steps
        assert x - 1e-6 <= decoded <= x + 1 / steps + 1e-6


def test_larger_values_never_fire_later() -> None:
    spikes = encoder("latency")(torch.linspace(0.01, 1, 50), 8)
    assert (spikes.argmax(0).diff() <= 0).all()


def test_graded_latency_weighs_early_spikes_more() -> None:
    spikes = LatencyConfig(graded=True).build()(torch.tensor([1.0, 0.25]), 4)
    assert spikes[:, 0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert spikes[:, 1].tolist() == [0.0, 0.0, 0.0, 0.25]


@pytest.mark.parametrize(("cls", "field", "value"), [(PoissonConfig, "max_rate", 1.5), (RateConfig, "phase", 1.0)])
def test_impossible_fields_are_refused(cls: type, field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        cls(**{field: value})
