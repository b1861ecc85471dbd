import copy

import pytest
import torch
from torch import nn

from spikeformers import create_model
from spikeformers.conversion import unroll_model
from spikeformers.conversion.unroll import Unrolled
from spikeformers.core.carry import carry
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.neurons import NEURONS


def lively(name: str, neuron: str, **fields: object) -> nn.Module:
    """A tiny model in float64 whose neurons fire counts of all sizes."""
    torch.manual_seed(0)
    model = create_model(name, neuron=neuron, **fields)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    model(torch.rand(4, 3, *model.config.image))
    return model.eval().double()


@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
@pytest.mark.parametrize("normalize", [False, True])
def test_an_integer_network_gives_the_same_logits_in_binary_spikes(rounding: str, normalize: bool) -> None:
    config = NEURONS.config("ilif").but(rounding=rounding, normalize=normalize)
    model = lively("ms_resnet_tiny", config)
    x = torch.rand(2, 3, *model.config.image, dtype=torch.float64)
    binary = copy.deepcopy(model)
    depths = unroll_model(binary, x)
    assert max(depths.values()) > 2
    torch.testing.assert_close(binary(x), model(x), rtol=1e-10, atol=1e-10)
    assert model(x).std() > 0


@pytest.mark.parametrize(
    ("name", "neuron"), [("sdt_v3_tiny", "multispike"), ("qsd_tiny", "ie_lif"), ("spikformer_tiny", "nilif")]
)
def test_transformers_keep_their_logits_and_only_their_first_layers_stay_analog(name: str, neuron: str) -> None:
    model = lively(name, neuron)
    x = torch.rand(2, 3, *model.config.image, dtype=torch.float64)
    binary = copy.deepcopy(model)
    depths = unroll_model(binary, x)
    torch.testing.assert_close(binary(x), model(x), rtol=1e-9, atol=1e-9)
    total = sum(isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d) for m in model.modules())
    assert len(depths) > total / 2
    assert max(depths.values()) > 1


def test_the_weights_see_binary_spikes_only() -> None:
    model = lively("sdt_v3_tiny", "multispike")
    x = torch.rand(2, 3, *model.config.image, dtype=torch.float64)
    depths = unroll_model(model, x)
    entered = []
    for module in model.modules():
        if isinstance(module, Unrolled):
            module.layer.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    model(x)
    assert len(entered) == len(depths) > 40
    assert all(set(s.unique().tolist()) <= {0.0, 1.0} for s in entered)


def test_dyadic_weights_make_it_equal_bit_by_bit() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        NEURONS.config("ilif").build(), nn.Linear(6, 5), NEURONS.config("nilif").build(), nn.Linear(5, 3)
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randint(-16, 17, parameter.shape) / 16)
    x = 3.0 * torch.randn(4, 7, 6)
    expected = layers(x)
    assert set(unroll_model(layers, x)) == {"1", "3"}
    assert torch.equal(layers(x), expected)
    with carry(layers):
        assert torch.equal(torch.cat([layers(x[:1]), layers(x[1:])]), expected)


def test_it_takes_inputs_with_larger_counts_than_the_example() -> None:
    layers = nn.Sequential(NEURONS.config("ilif").build(), nn.Linear(3, 2)).double()
    x = torch.tensor([[[1.0, 0.0, 2.0]], [[4.0, 4.0, 0.3]]], dtype=torch.float64)
    expected = layers(x)
    assert unroll_model(layers, x[:1]) == {"1": 2}
    torch.testing.assert_close(layers(x), expected)


def test_analog_input_after_unrolling_and_nothing_to_unroll_are_refused() -> None:
    layers = nn.Sequential(nn.Linear(3, 2))
    unroll_model(layers, torch.ones(1, 2, 3))
    with pytest.raises(ShapeError, match="no counts of"):
        layers(torch.rand(1, 2, 3))
    with pytest.raises(ConfigError, match="unrolled already"):
        unroll_model(layers, torch.ones(1, 2, 3))
    with pytest.raises(ConfigError, match="takes spikes"):
        unroll_model(nn.Sequential(nn.Linear(3, 2)), torch.rand(1, 2, 3))
