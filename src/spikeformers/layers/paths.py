"""Down-sampling between stages as a main path and a shortcut, from parts that a model names."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNorm, max_pool
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig


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
