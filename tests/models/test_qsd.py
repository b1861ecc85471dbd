"""QSD-Transformer: weights of few bits."""

import torch
from torch import nn

from spikeformers.layers.quantized import LSQWeight, quantize_weights
from spikeformers.models.hub import create_model


def test_quantized_weights_take_few_values_per_channel() -> None:
    weight = torch.randn(3, 40, 3, 3)
    quantizer = LSQWeight(weight, bits=4)
    quantized = quantizer(weight)
    for channel, alpha in zip(quantized, quantizer.alpha, strict=True):
        levels = (channel / alpha).round()
        assert levels.min() >= -8
        assert levels.max() <= 7
        torch.testing.assert_close(levels * alpha, channel)


def test_gradients_are_those_of_learned_step_sizes() -> None:
    weight = torch.tensor([[0.2, -3.0, 0.9]], requires_grad=True)
    quantizer = LSQWeight(weight, bits=2)  # levels -2, -1, 0, 1
    quantizer.init_state.fill_(1)
    with torch.no_grad():
        quantizer.alpha.fill_(0.5)
    quantizer(weight).sum().backward()
    assert weight.grad is not None
    assert quantizer.alpha.grad is not None
    assert weight.grad.tolist() == [[1.0, 0.0, 0.0]]  # clipped weights get none
    expected = ((0 - 0.4) + -2 + 1) / 3**0.5
    torch.testing.assert_close(quantizer.alpha.grad, torch.tensor([expected]))


def test_step_sizes_start_at_the_first_training_forward() -> None:
    linear = quantize_weights(nn.Sequential(nn.Linear(4, 2)), 4)[0]
    nn.init.constant_(linear.weight, 0.5)
    linear.eval()(torch.ones(1, 4))
    assert not linear.quantizer.init_state.any()
    linear.train()(torch.ones(1, 4))
    torch.testing.assert_close(linear.quantizer.alpha.detach(), torch.full((2,), 1.0 / 7**0.5))


def test_every_convolution_and_linear_layer_is_quantized() -> None:
    model = create_model("qsd_tiny")
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) > 20
    assert all(isinstance(m.quantizer, LSQWeight) for m in layers)
