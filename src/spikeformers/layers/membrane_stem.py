"""The stem of the spike-driven transformers: patch splitting that ends in currents instead of spikes."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm, max_pool
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig


class MembranePatchSplitting(nn.Module):
    r"""MS-SPS: convolution–norm–neuron–[pool] three times, convolution–norm–[pool], then a positional unit that is added.

    $$u=\mathrm{MP}(\mathrm{BN}(\mathrm{Conv}_{3\times3}(x))),\qquad y=u+\mathrm{BN}(\mathrm{Conv}_{3\times3}(S(u)))$$

    Maps [T, B, in_channels, H, W] → membrane maps [T, B, dim, H / 2^p, W / 2^p] with p pools; widths C/8, C/4, C/2, C.

    Args:
        in_channels: channels of the image.
        dim: channels out; divisible by 8.
        pools: for each of the four units, whether a max-pool follows.
        neuron: what fires.

    Source: Yao et al., "Spike-driven Transformer", NeurIPS 2023; BICLab/Spike-Driven-Transformer.
    """

    def __init__(self, in_channels: int, dim: int, *, pools: tuple[bool, ...], neuron: NeuronConfig) -> None:
        super().__init__()
        widths = [in_channels, dim // 8, dim // 4, dim // 2]
        self.units = nn.Sequential(
            *(
                ConvNormNeuron(a, b, neuron=neuron, pool="after_neuron" if pool else "none")
                for a, b, pool in zip(widths, widths[1:], pools, strict=False)
            )
        )
        self.last = ConvNorm(dim // 2, dim)
        self.pool = max_pool() if pools[3] else None
        self.position = NeuronConvNorm(dim, dim, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.units(x))
        if self.pool is not None:
            x = over_time(self.pool, x)
        return x + self.position(x)
