"""The graph of layers of a model, and what has no place in one."""

import pytest
import torch
from torch import Tensor, nn

from spikeformers.core.errors import ShapeError
from spikeformers.export.trace import INPUT, trace
from spikeformers.layers.time import over_time
from spikeformers.neurons import NEURONS


class Twice(nn.Module):
    """A layer that runs twice, around a residual sum and a mean over pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.neuron = NEURONS.config("if").build()

    def forward(self, x: Tensor) -> Tensor:
        x = x + over_time(self.conv, x)
        x = over_time(self.conv, self.neuron(x))
        return x.flatten(3).mean(3)


def test_calls_come_in_order_with_names_sources_and_shapes() -> None:
    model = Twice().train()
    found = trace(model, (2, 4, 4))
    assert [(c.name, c.sources) for c in found.calls] == [
        ("conv", (INPUT,)),
        ("neuron", (INPUT, "conv")),
        ("conv_1", ("neuron",)),
        ("pool", ("conv_1",)),
        ("flatten_1", ("pool",)),
    ]
    assert [c.given for c in found.calls] == [(2, 4, 4), (2, 4, 4), (2, 4, 4), (2, 1, 1), (2,)]
    assert (found.output, found.shape, found.faults) == (("flatten_1",), (2,), [])
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_functions_that_are_no_layer_are_faults_with_their_place() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a, b = torch.softmax(x, -1).chunk(2, -1)
            return (a * b) + x[..., :1].mean(-1, keepdim=True) + (x + x)[..., :1]

    found = trace(nn.Sequential(nn.Identity(), Odd()), (4,))
    said = "\n".join(found.faults)
    for part in ("1: the function 'softmax'", "1: the function 'chunk'", "'mul'", "'mean'", "added to itself"):
        assert part in said
    assert found.calls[0].name == "0"


def test_a_model_that_gives_no_steps_is_refused() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(0)

    with pytest.raises(ShapeError, match=r"must give one tensor \[T, B, \.\.\.\].*shape \(3, 4\)"):
        trace(Mean(), (4,))


def test_the_model_is_as_before_when_its_forward_fails() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    model = Broken().train()
    with pytest.raises(RuntimeError):
        trace(model, (4,))
    assert model.layer.training
    assert not model.layer._forward_hooks
