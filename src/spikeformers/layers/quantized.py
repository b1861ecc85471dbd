"""Weights of few bits with learned step sizes (LSQ)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.stepwise import stepwise


class LSQWeight(nn.Module):
    r"""Learned step size quantization with one step per output channel: weights [O, ...] → weights alike.

    $$\hat w_o=\alpha_o\,\mathrm{round}\Big(\mathrm{clip}\big(\tfrac{w_o}{\alpha_o},-2^{b-1},2^{b-1}-1\big)\Big)$$

    Rounding passes its gradient straight through; that of α is scaled by $1/\sqrt{n\,(2^{b-1}-1)}$, n weights in all.
    The first forward in training sets α to $2\,\overline{|w|}/\sqrt{2^{b-1}-1}$; until then it has the same value from
    the weights at construction.

    Source: Esser et al., ICLR 2020, arXiv:1902.08153; bollossom/QSD-Transformer.
    """

    def __init__(self, weight: Tensor, bits: int) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise ConfigError(f"bits={bits} of quantized weights must be between 2 and 16")
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.alpha = nn.Parameter(self.start(weight).expand(weight.shape[0]).clone())
        self.register_buffer("init_state", torch.zeros(1))

    def start(self, weight: Tensor) -> Tensor:
        """Step size to begin with."""
        return 2 * weight.detach().abs().mean() / math.sqrt(self.high)

    def forward(self, weight: Tensor) -> Tensor:
        if self.training and not self.init_state.any():
            with torch.no_grad():
                self.alpha.copy_(self.start(weight).expand_as(self.alpha))
                self.init_state.fill_(1)
        pull = 1.0 / math.sqrt(weight.numel() * self.high)
        alpha = scale_gradient(self.alpha, pull).view(-1, *[1] * (weight.dim() - 1))
        return round_through((weight / alpha).clamp(self.low, self.high)) * alpha


def round_through(x: Tensor) -> Tensor:
    """Rounded half to even; the gradient passes straight through."""
    return x + (x.round() - x).detach()


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x itself, whose gradient is multiplied by `factor`."""
    return stepwise(torch.clone, factor, x)


class QuantizedConv2d(nn.Conv2d):
    """A convolution whose weights pass `LSQWeight`."""

    quantizer: LSQWeight

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.quantizer(self.weight), self.bias)


class QuantizedLinear(nn.Linear):
    """A linear layer whose weights pass `LSQWeight`."""

    quantizer: LSQWeight

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.quantizer(self.weight), self.bias)


def quantize_weights(model: nn.Module, bits: int) -> nn.Module:
    """Let the weights of every convolution and linear layer inside `model` pass `LSQWeight`, in place; returns `model`."""
    for module in list(model.modules()):
        if type(module) is nn.Conv2d:
            module.__class__ = QuantizedConv2d
        elif type(module) is nn.Linear:
            module.__class__ = QuantizedLinear
        else:
            continue
        module.quantizer = LSQWeight(module.weight, bits)
    return model


def effective_weight(module: nn.Module) -> Tensor:
    """The weight that a convolution or linear layer computes with."""
    with torch.no_grad():
        return module.quantizer(module.weight) if hasattr(module, "quantizer") else module.weight.detach()
