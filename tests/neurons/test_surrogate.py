"""Surrogates: each derivative is that of its primitive, and the spike's gradient is the derivative."""

import dataclasses

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons import SURROGATES, SurrogateConfig

NAMES = SURROGATES.names()
OPS = TorchOps()
KINKS = {"rectangle": (-0.5, 0.5), "ste": (-0.5, 0.5), "tanh": (-0.5, 0.5), "leaky": (-1.0, 1.0), "log": (0.0,)}
"""Where a primitive has a corner."""


def others(config: SurrogateConfig) -> list[SurrogateConfig]:
    return [config.but(**{f.name: 1.7 * getattr(config, f.name)}) for f in dataclasses.fields(config)]


@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_that_of_the_primitive(name: str) -> None:
    for config in [SURROGATES.config(name), *others(SURROGATES.config(name))]:
        u = torch.linspace(-4.0, 4.0, 801, dtype=torch.float64) + 1.7e-3
        h = 1e-6
        slope = (config.primitive(OPS, u + h) - config.primitive(OPS, u - h)) / (2 * h)
        torch.testing.assert_close(config.derivative(OPS, u), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_autograd_through_the_primitive_gives_the_derivative(name: str) -> None:
    config = SURROGATES.config(name)
    u = (torch.linspace(-2.0, 2.0, 101, dtype=torch.float64) + 1.3e-3).requires_grad_()
    (slope,) = torch.autograd.grad(config.primitive(OPS, u).sum(), u)
    torch.testing.assert_close(slope, config.derivative(OPS, u.detach()))


@pytest.mark.parametrize("name", NAMES)
def test_primitive_is_continuous_at_its_corners(name: str) -> None:
    config = SURROGATES.config(name)
    for corner in KINKS.get(name, (0.0,)):
        at = torch.tensor([corner - 1e-9, corner + 1e-9], dtype=torch.float64)
        low, high = config.primitive(OPS, at)
        assert abs(float(high - low)) < 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_every_field_changes_the_derivative(name: str) -> None:
    config = SURROGATES.config(name)
    u = torch.linspace(-2.0, 2.0, 401, dtype=torch.float64)
    for other in others(config):
        assert not torch.equal(config.derivative(OPS, u), other.derivative(OPS, u)), other


@pytest.mark.parametrize("name", NAMES)
def test_gradient_of_a_spike_is_the_derivative(name: str) -> None:
    config = SURROGATES.config(name)
    u = torch.linspace(-2.0, 2.0, 41, requires_grad=True)
    spikes = TorchOps(config).spike(u)
    spikes.sum().backward()
    assert torch.equal(spikes.detach(), (u.detach() >= 0).float())
    assert u.grad is not None
    assert torch.equal(u.grad, config.derivative(OPS, u.detach()))


@pytest.mark.parametrize("name", NAMES)
def test_config_survives_the_plain_form_and_has_a_source(name: str) -> None:
    config = SURROGATES.config(name)
    assert SurrogateConfig.from_dict(config.to_dict()) == config
    assert SURROGATES.entry(name).source
    assert "$" in (type(config).__doc__ or "")


@pytest.mark.parametrize(
    ("name", "field"),
    [(n, f.name) for n in NAMES for f in dataclasses.fields(SURROGATES.entry(n).cls)],  # type: ignore[arg-type]
)
def test_a_nonsense_value_is_refused_by_name(name: str, field: str) -> None:
    nonsense = {"ste": 1e9 if field == "low" else -1e9, "multi_gaussian": float("nan"), "leaky": -1.0}.get(name, -1.0)
    with pytest.raises(ConfigError, match=field):
        SURROGATES.config(name).but(**{field: nonsense})


def test_pdsg_peaks_half_a_spread_above_the_threshold() -> None:
    config = SURROGATES.config("pdsg")
    u = torch.linspace(-1.0, 1.0, 2001, dtype=torch.float64)
    assert abs(float(u[config.derivative(OPS, u).argmax()]) - 0.25) < 1e-3
