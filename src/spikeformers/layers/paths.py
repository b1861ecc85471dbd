"""Down-sampling between stages as a main path and a shortcut, from parts that a model names."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNorm, NeuronConvNorm, max_pool
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule
from spikeformers.weights.units import conv_rules


class TwoPaths(nn.Module):
    """y = main(z) + short(z) with z = first(x), on maps [T, B, C, H, W].

    Args:
        first: what both paths start from.
        main, short: the two paths; their outputs have the same shape.
    """

    def __init__(self, first: nn.Module, main: nn.Module, short: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.main = main
        self.short = short

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.main(x) + self.short(x)


class ConvNormPool(nn.Module):
    """Convolution, batch norm, then the 3×3 stride-2 max-pool on the current: [T, B, C, H, W] → [T, B, C', H/2, W/2].

    With `neuron`, it comes first, so that the convolution sees spikes.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, *, neuron: NeuronConfig | None = None
    ) -> None:
        super().__init__()
        self.neuron = nn.Identity() if neuron is None else neuron.build(channels=in_channels)
        self.unit = ConvNorm(in_channels, out_channels, kernel_size)
        self.pool = max_pool()

    def forward(self, x: Tensor) -> Tensor:
        return over_time(self.pool, self.unit(self.neuron(x)))


def membrane_stem(stride: int, in_channels: int, width: int, neuron: NeuronConfig) -> TwoPaths:
    """A two-path stem for membrane residuals that ends in `width` channels, of stride 1 (small images) or 8 (events).

    The image meets a convolution first; every later convolution sees spikes.

    Source: bic-L/MaxFormer.
    """
    if stride == 1:
        half = width // 2
        return TwoPaths(
            ConvNorm(in_channels, half),
            NeuronConvNorm(half, width, neuron=neuron),
            NeuronConvNorm(half, width, 1, neuron=neuron),
        )
    eighth, quarter, half = width // 8, width // 4, width // 2
    return TwoPaths(
        nn.Sequential(
            ConvNorm(in_channels, eighth),
            ConvNormPool(eighth, quarter, neuron=neuron),
            neuron.build(channels=quarter),
        ),
        nn.Sequential(ConvNormPool(quarter, half), ConvNormPool(half, width, neuron=neuron)),
        ConvNorm(quarter, width, 1, stride=4),
    )


def membrane_stem_rules(stride: int, official: str, ours: str) -> list[Rule]:
    """Key rules of `membrane_stem`: official prefix → ours."""
    if stride == 1:
        return [
            *conv_rules(f"{official}.proj_conv", f"{official}.proj_bn", f"{ours}.first"),
            *embed_rules(f"{official}.embed1", f"{ours}.main.unit"),
            *embed_rules(f"{official}.embed2", f"{ours}.short.unit"),
        ]
    return [
        *conv_rules(f"{official}.proj_conv", f"{official}.proj_bn", f"{ours}.first.0"),
        *embed_rules(f"{official}.max_embed1", f"{ours}.first.1.unit"),
        *embed_rules(f"{official}.max_embed2", f"{ours}.main.0.unit"),
        *embed_rules(f"{official}.max_embed3", f"{ours}.main.1.unit"),
        *embed_rules(f"{official}.embed1", f"{ours}.short"),
    ]


def embed_rules(official: str, ours: str) -> list[Rule]:
    """Key rules of one embedding unit of bic-L/MaxFormer."""
    return conv_rules(f"{official}.embed_conv", f"{official}.embed_bn", ours)
