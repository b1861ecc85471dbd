"""State lives inside an open scope and nowhere else."""

import pytest
import torch
from torch import nn

from spikeformers.core.carry import carry
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.neurons import LIF  # type: ignore[attr-defined]


def test_calls_outside_a_scope_do_not_remember() -> None:
    neuron, x = LIF(), torch.rand(6, 5) * 2
    assert torch.equal(neuron(x), neuron(x))


def test_chunks_inside_a_scope_equal_the_whole() -> None:
    model, x = nn.Sequential(LIF(), nn.Linear(5, 5), LIF(tau=4.0)), torch.rand(9, 2, 5) * 2
    whole = model(x)
    with carry(model) as state:
        chunks = torch.cat([model(part) for part in x.split([1, 5, 3])])
        assert set(state) == {"0", "2"}
    assert torch.equal(chunks, whole)
    assert torch.equal(model(x), whole)


def test_a_saved_state_goes_on_where_it_stopped() -> None:
    neuron, x = LIF(), torch.rand(6, 5) * 2
    with carry(neuron) as state:
        neuron(x[:4])
        saved = state.copy()
    with carry(neuron, saved):
        rest = neuron(x[4:])
    assert torch.equal(rest, neuron(x)[4:])


def test_detach_cuts_the_gradient_between_chunks() -> None:
    neuron, x = LIF(), torch.full((2, 3), 0.9, requires_grad=True)
    with carry(neuron) as state:
        neuron(x[:1])
        state.detach()
        neuron(x[1:]).sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().sum() == 0
    assert x.grad[1].abs().sum() > 0


def test_a_second_scope_on_the_same_model_is_refused_and_scopes_close_after_errors() -> None:
    neuron = LIF()
    with carry(neuron), pytest.raises(ConfigError, match="already open"), carry(nn.Sequential(neuron)):
        pass
    with pytest.raises(RuntimeError, match="on purpose"), carry(neuron):
        raise RuntimeError("on purpose")
    with carry(neuron):
        pass


def test_a_changed_batch_size_is_refused() -> None:
    neuron = LIF()
    with carry(neuron):
        neuron(torch.rand(2, 4))
        with pytest.raises(ShapeError, match=r"lif\.v has shape \(4,\)"):
            neuron(torch.rand(2, 3))


def test_no_steps_are_refused() -> None:
    with pytest.raises(ShapeError, match="T=0"):
        LIF()(torch.rand(0, 3))
