"""Parts of residual networks: stems and the stacking of blocks into stages."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.checks import check_stride
from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, max_pool
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig

Stem = Literal["pooled", "plain"]
"""pooled: 7×7 convolution of stride 2 and a max-pool (ImageNet); plain: 3×3 convolution of stride 1 (small images)."""
EXPANSION = 4
"""Channels out of a bottleneck over its width."""


def check_resnet(
    dim: int, depths: tuple[int, ...], stride: int, img_size: int | tuple[int, int], *, flat: bool = True
) -> None:
    """Raises ConfigError unless stages of these depths, widths doubling from `dim`, fit the image behind a stem.

    `flat` is as in `check_stride`.
    """
    if dim < 1 or not depths or min(depths) < 1:
        raise ConfigError(f"dim={dim} and every entry of depths={depths} must be at least 1")
    check_stride(img_size, stride << (len(depths) - 1), flat=flat)


class ResNetStem(nn.Module):
    """Convolution, norm, neuron and, where `stem` is pooled, a max-pool: maps → maps at stride 4, or 1 where plain."""

    def __init__(self, in_channels: int, dim: int, *, stem: Stem, neuron: NeuronConfig) -> None:
        super().__init__()
        pooled = stem == "pooled"
        self.conv = ConvNormNeuron(in_channels, dim, 7 if pooled else 3, stride=2 if pooled else 1, neuron=neuron)
        self.pool = max_pool() if pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return over_time(self.pool, self.conv(x))


def plain_branch(
    in_channels: int, width: int, stride: int, *, bottleneck: bool, neuron: NeuronConfig
) -> list[nn.Module]:
    """The branch of a post-activation block up to its last norm: two 3×3 convolutions, or 1×1, 3×3, 1×1 ones."""
    if bottleneck:
        return [
            ConvNormNeuron(in_channels, width, 1, neuron=neuron),
            ConvNormNeuron(width, width, 3, stride=stride, neuron=neuron),
            ConvNorm(width, EXPANSION * width, 1),
        ]
    return [ConvNormNeuron(in_channels, width, 3, stride=stride, neuron=neuron), ConvNorm(width, width, 3)]


def resnet_stages(
    dim: int,
    depths: tuple[int, ...],
    *,
    expansion: int,
    first_stride: int,
    block: Callable[[int, int, int], nn.Module],
) -> nn.ModuleList:
    """Stages of blocks `block(in_channels, width, stride)`; widths double, and the first block of a later stage strides.

    Args:
        dim: width of the first stage, and channels that enter it.
        depths: blocks of each stage.
        expansion: channels out of a block over its width.
        first_stride: stride of the first stage.
    """
    stages, channels = nn.ModuleList(), dim
    for number, depth in enumerate(depths):
        blocks: list[nn.Module] = []
        for index in range(depth):
            stride = 1 if index else 2 if number else first_stride
            blocks.append(block(channels, dim << number, stride))
            channels = expansion * dim << number
        stages.append(nn.Sequential(*blocks))
    return stages
