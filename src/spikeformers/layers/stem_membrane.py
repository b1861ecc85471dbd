"""Stems whose output is a membrane current, for models with membrane residuals."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm, max_pool
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig


class MembranePatchSplitting(nn.Module):
    r"""MS-SPS: three units convolution–norm–neuron–[pool], a fourth that ends in a current u, and a positional branch.

    $$u=\mathrm{pool}(\mathrm{BN}(\mathrm{Conv}_{3\times3}(x_3))),\qquad y=u+\mathrm{BN}(\mathrm{Conv}_{3\times3}(S(u)))$$

    Maps [T, B, in_channels, H, W] → [T, B, dim, H / 2^p, W / 2^p] with p pools.

    Args:
        in_channels: channels of the image.
        dim: channels out; divisible by 8.
        pools: for each of the four units, whether a max-pool follows.
        neuron: what fires.
        spiking_position: whether the positional branch sees spikes S(u) or the current u itself.

    Source: Yao et al., "Spike-driven Transformer", NeurIPS 2023; BICLab/Spike-Driven-Transformer.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        *,
        pools: tuple[bool, ...],
        neuron: NeuronConfig,
        spiking_position: bool = True,
    ) -> None:
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
        self.position = NeuronConvNorm(dim, dim, neuron=neuron) if spiking_position else ConvNorm(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        u = self.last(self.units(x))
        if self.pool is not None:
            u = over_time(self.pool, u)
        return u + self.position(u)


class BinaryTokenizer(nn.Module):
    r"""Spikingformer's tokenizer: a first convolution of the image, then four units neuron–[pool]–convolution–norm.

    $$x_0=\mathrm{BN}(\mathrm{Conv}(x)),\qquad x_i=\mathrm{BN}(\mathrm{Conv}_{3\times3}(\mathrm{pool}(S(x_{i-1}))))$$

    Maps [T, B, in_channels, H, W] → [T, B, dim, H / 2^p, W / 2^p] with p pools; widths C/8, C/4, C/2, C, C.

    Args:
        in_channels: channels of the image.
        dim: channels out; divisible by 8.
        pools: for each of the four units, whether it pools.
        neuron: what fires.

    Source: Zhou et al., "Spikingformer", arXiv:2304.11954; zhouchenlin2096/Spikingformer.
    """

    def __init__(self, in_channels: int, dim: int, *, pools: tuple[bool, ...], neuron: NeuronConfig) -> None:
        super().__init__()
        widths = [dim // 8, dim // 4, dim // 2, dim, dim]
        self.first = ConvNorm(in_channels, widths[0])
        self.units = nn.Sequential(
            *(
                NeuronConvNorm(a, b, neuron=neuron, pool=pool)
                for a, b, pool in zip(widths, widths[1:], pools, strict=False)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.units(self.first(x))
