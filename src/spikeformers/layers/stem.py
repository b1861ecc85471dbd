"""Stems: from images to the first map of tokens."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.neurons import NeuronConfig


class SpikingPatchSplitting(nn.Module):
    r"""SPS: four units convolution–norm–neuron–[pool] of widths C/8, C/4, C/2, C, then a positional unit that is added.

    $$x\leftarrow x+S(\mathrm{BN}(\mathrm{Conv}_{3\times3}(x)))$$

    Maps [T, B, in_channels, H, W] → [T, B, dim, H / 2^p, W / 2^p] with p pools.

    Args:
        in_channels: channels of the image.
        dim: channels out; divisible by 8.
        pools: for each of the four units, whether a max-pool follows its neuron.
        neuron: what fires.

    Source: Zhou et al., "Spikformer", ICLR 2023; ZK-Zhou/spikformer.
    """

    def __init__(self, in_channels: int, dim: int, *, pools: tuple[bool, ...], neuron: NeuronConfig) -> None:
        super().__init__()
        widths = [in_channels, dim // 8, dim // 4, dim // 2, dim]
        self.units = nn.Sequential(
            *(
                ConvNormNeuron(a, b, neuron=neuron, pool="after_neuron" if pool else "none")
                for a, b, pool in zip(widths, widths[1:], pools, strict=False)
            )
        )
        self.position = ConvNormNeuron(dim, dim, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.units(x)
        return x + self.position(x)
