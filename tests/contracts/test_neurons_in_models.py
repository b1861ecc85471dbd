"""Every neuron trains inside every vision model.

Each neuron meets two families by default, each family several neurons; `slow` runs every pair.
"""

import pytest
import torch

from spikeformers import create_model
from spikeformers.core.errors import ConfigError
from spikeformers.models.base import MODELS
from spikeformers.neurons import NEURONS

NAMES = NEURONS.names()
FAMILIES = MODELS.families()
WHOLE_SEQUENCE = ("psn", "masked_psn", "hd_if")
LATE = ("resonate",)
"""Neurons that answer one step later, so that one step alone carries nothing."""
IN_CHUNKS = ("tim",)
"""Families that run step by step, which neurons that see the whole sequence refuse."""


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fused kernels of every neuron are compared with the reference elsewhere; compiling them all is not repeated here.
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


def trains(family: str, name: str) -> None:
    """One step of training: logits and gradients are finite, and gradients reach the first layers."""
    config, neuron = MODELS.config(f"{family}_tiny"), NEURONS.config(name)
    if name in WHOLE_SEQUENCE:
        neuron = neuron.but(steps=config.timesteps)
    if name in LATE and config.timesteps == 1:
        with pytest.raises(ConfigError, match=f"timesteps=1 is too few for the neuron '{name}'"):
            config.but(neuron=neuron)
        config = config.but(timesteps=2)
    torch.manual_seed(0)
    model = config.but(neuron=neuron).build().train()
    x = torch.rand(2, config.in_channels, *config.image)
    if name in WHOLE_SEQUENCE and family in IN_CHUNKS:
        with pytest.raises(ConfigError, match="chunks"):
            model(x)
        return
    logits = model(x)
    torch.nn.functional.cross_entropy(model.readout(logits), torch.arange(2)).backward()
    assert torch.isfinite(logits).all()
    found = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(found) > 4
    assert all(torch.isfinite(grad).all() for grad in found)


@pytest.mark.parametrize("neuron", NEURONS.families())
def test_a_spikformer_trains_with_it(neuron: str) -> None:
    model = create_model("spikformer_tiny", neuron=neuron, img_size=16, dim=32)
    logits = model(torch.rand(4, 3, 16, 16))
    torch.nn.functional.cross_entropy(model.readout(logits), torch.arange(4)).backward()
    assert torch.isfinite(logits).all()
    assert model.head.weight.grad is not None
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(("turn", "name"), list(enumerate(NAMES)), ids=NAMES)
def test_every_neuron_meets_another_model(turn: int, name: str) -> None:
    trains(FAMILIES[turn % len(FAMILIES)], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_model_trains_with_every_neuron(family: str, name: str) -> None:
    trains(family, name)
