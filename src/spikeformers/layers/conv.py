"""Convolution or projection, normalisation and neuron, in the orders that the field uses.

Maps are [T, B, C, H, W], tokens [T, B, N, C]. Token projections are linear layers on the last axis, which is what a
1×1 convolution on [B, C, N] computes, in the faster layout.
"""

from typing import Literal

from torch import Tensor, nn

from spikeformers.layers.time import is_repeated, over_time, repeat
from spikeformers.neurons import NeuronConfig

PoolPlace = Literal["none", "before_neuron", "after_neuron"]


def max_pool() -> nn.MaxPool2d:
    """The field's down-sampling pool: 3×3, stride 2, padding 1."""
    return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)


class ConvNorm(nn.Module):
    """Convolution and batch norm over (T, B, H, W): [T, B, C, H, W] → [T, B, out_channels, H', W'].

    Args:
        in_channels, out_channels, kernel_size, stride, groups, bias: as in `torch.nn.Conv2d`.
        padding: None keeps the size at stride 1 (kernel_size // 2).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2 if padding is None else padding
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return over_time(nn.Sequential(self.conv, self.norm), x)


class LinearNorm(nn.Module):
    """Linear layer and batch norm over (T, B, N): tokens [T, B, N, in_features] → [T, B, N, out_features]."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.norm = nn.BatchNorm1d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        if is_repeated(x):
            return repeat(self(x[:1])[0], x.shape[0])
        y = self.linear(x)
        return self.norm(y.flatten(0, -2)).view(y.shape)


class ConvNormNeuron(nn.Module):
    """Convolution, batch norm, neuron, with a max-pool before or after the neuron where asked.

    Args:
        in_channels, out_channels, kernel_size, stride, groups, bias: as in `ConvNorm`.
        neuron: what fires.
        pool: place of the 3×3 stride-2 max-pool.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        neuron: NeuronConfig,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        pool: PoolPlace = "none",
    ) -> None:
        super().__init__()
        self.unit = ConvNorm(in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias)
        self.neuron = neuron.build(channels=out_channels)
        self.pool_place = pool
        self.pool = max_pool() if pool != "none" else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.unit(x)
        if self.pool is not None and self.pool_place == "before_neuron":
            x = over_time(self.pool, x)
        x = self.neuron(x)
        if self.pool is not None and self.pool_place == "after_neuron":
            x = over_time(self.pool, x)
        return x


class LinearNormNeuron(nn.Module):
    """Linear layer, batch norm, neuron on tokens [T, B, N, C]."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        self.unit = LinearNorm(in_features, out_features, bias=bias)
        self.neuron = neuron.build(channels=out_features, axis=-1)

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.unit(x))


class NeuronConvNorm(nn.Module):
    """Pre-activation order: neuron, optional max-pool, convolution, batch norm. Every convolution input is spikes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        neuron: NeuronConfig,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.neuron = neuron.build(channels=in_channels)
        self.pool = max_pool() if pool else None
        self.unit = ConvNorm(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(x)
        if self.pool is not None:
            x = over_time(self.pool, x)
        return self.unit(x)


class NeuronLinearNorm(nn.Module):
    """Pre-activation order on tokens [T, B, N, C]: neuron, linear layer, batch norm."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        self.neuron = neuron.build(channels=in_features, axis=-1)
        self.unit = LinearNorm(in_features, out_features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.unit(self.neuron(x))
