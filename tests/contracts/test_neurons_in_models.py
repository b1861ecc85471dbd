"""Every neuron trains inside a transformer."""

import pytest
import torch

from spikeformers import create_model
from spikeformers.neurons import NEURONS


@pytest.mark.parametrize("neuron", NEURONS.families())
def test_a_spikformer_trains_with_it(neuron: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The fused kernels of every neuron are compared with the reference elsewhere; compiling them all is not repeated here.
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")
    model = create_model("spikformer_tiny", neuron=neuron, img_size=16, dim=32)
    logits = model(torch.rand(4, 3, 16, 16))
    torch.nn.functional.cross_entropy(model.readout(logits), torch.arange(4)).backward()
    assert torch.isfinite(logits).all()
    assert model.head.weight.grad is not None
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
