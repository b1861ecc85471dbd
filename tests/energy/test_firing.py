"""Every registered neuron is seen, priced, and its spikes are told by step."""

import pytest
import torch
from torch import Tensor, nn

from spikeformers import energy
from spikeformers.core.carry import State, Stateful
from spikeformers.neurons import IF, NEURONS


@pytest.mark.parametrize("name", [n for n in NEURONS.families() if NEURONS.entry(n).cls.spiking])
def test_every_spiking_neuron_is_recorded_once_and_charged(name: str) -> None:
    torch.manual_seed(0)
    neuron = NEURONS.config(name).build(channels=3).eval()
    with torch.no_grad(), energy.count(neuron) as meter:
        y = neuron(2 * torch.randn(4, 2, 3, 5))
    assert list(meter.firing()) == [""]
    assert (meter.steps, meter.samples) == (4, 2)
    assert len(meter.firing()[""].rates) == 4
    assert meter.firing()[""].active == pytest.approx(float((y != 0).float().mean()))
    assert sum(r.outputs for r in meter.rows() if r.kind == "neuron") == y.numel()
    assert any(r.primitives for r in meter.rows())
    assert meter.unpriced() == {}


def test_a_neuron_whose_scan_is_called_directly_is_recorded_too() -> None:
    class Loop(Stateful):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.neuron = IF(), IF()

        def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
            outputs = []
            for current in self.first(x).split(1):
                y, state = self.neuron.scan(current, state)
                outputs.append(y)
            return torch.cat(outputs), {}

    x = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    model = Loop()
    with torch.no_grad(), energy.count(model) as meter:
        model(x)
    assert meter.firing()["first"].rates == [1.0, 0.0, 1.0]
    assert meter.firing()["neuron"].rates == [1.0, 0.0, 1.0]
    assert {r.path: r.primitives["compare"] for r in meter.rows()} == {"first": 3, "neuron": 3}
    assert "scan" not in vars(model.neuron)


def test_the_matrix_product_of_a_parallel_neuron_is_charged_as_multiplies() -> None:
    neuron = NEURONS.config("psn").but(steps=4).build()
    with torch.no_grad(), energy.count(neuron) as meter:
        neuron(torch.randn(4, 2, 3))
    assert meter.total("macs") == 4 * 4 * 2 * 3


def test_a_plain_module_is_no_neuron() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with energy.count(model) as meter:
        model(torch.rand(1, 2))
    assert meter.firing() == {}
    assert not meter.spiking
