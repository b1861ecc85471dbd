"""The counter against a machine that adds spike by spike and counts each addition."""

import pytest
import torch
from torch import Tensor, nn

from spikeformers import energy
from spikeformers.energy.simulate import simulate
from spikeformers.layers.time import over_time
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.neurons import IF, LIF
from spikeformers.neurons.lif import LIFConfig


class Small(nn.Module):
    """Convolution, neuron, strided grouped convolution, neuron, spiking attention on tokens, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.fire = LIF(tau=2.0, v_threshold=0.2)
        self.down = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
        self.again = IF(v_threshold=0.3)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fire(over_time(self.stem, x))
        x = self.again(over_time(self.down, x)).flatten(3).mT
        x = (x @ x.mT) @ x * 0.125
        return self.head(self.again(x) + x.round()).mean(2)


def test_spike_by_spike_execution_gives_the_same_output_and_counts_of_a_small_net() -> None:
    torch.manual_seed(1)
    model, x = Small().double().eval(), torch.randn(3, 2, 1, 6, 6, dtype=torch.float64)
    with torch.no_grad(), energy.count(model) as meter:
        expected = model(x)
    found = simulate(model, x)
    torch.testing.assert_close(found.output, expected, rtol=1e-12, atol=1e-12)
    assert found.additions > 1000
    assert found.additions == meter.total("acs")
    assert found.multiplies == meter.total("macs")
    assert found.dense_layers == 1


def test_spike_by_spike_execution_of_a_spikformer_agrees() -> None:
    torch.manual_seed(0)
    config = SpikformerConfig(
        img_size=8,
        in_channels=1,
        num_classes=3,
        dim=8,
        depth=1,
        heads=2,
        mlp_ratio=2.0,
        timesteps=2,
        pools="0011",
        neuron=LIFConfig(v_threshold=0.3),
    )
    model = config.build().double()
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(torch.randn(4, 1, 8, 8, dtype=torch.float64))
        model.eval()
        with energy.count(model) as meter:
            expected = model(x)
    found = simulate(model, x)
    torch.testing.assert_close(found.output, expected, rtol=1e-10, atol=1e-10)
    assert found.additions == meter.total("acs") > 0
    assert found.multiplies == meter.total("macs")


def test_an_ann_has_nothing_to_add() -> None:
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(5, 3)
    found = simulate(model, x)
    assert (found.additions, found.events, found.multiplies) == (0, 0, 5 * (12 + 8))
    torch.testing.assert_close(found.output, model(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ternary_and_integer_spikes_are_added_unit_by_unit(dtype: torch.dtype) -> None:
    model, x = nn.Linear(4, 3).to(dtype), torch.tensor([[2.0, -1.0, 0.0, 3.0]], dtype=dtype)
    found = simulate(model, x)
    assert found.additions == 6 * 3
    torch.testing.assert_close(found.output, model(x))
