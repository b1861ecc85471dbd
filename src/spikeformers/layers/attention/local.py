"""Local mixing: attention inside groups of pixels, and depth-wise convolutions."""

from torch import Tensor, nn

from spikeformers.core.errors import ShapeError
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.neurons import NeuronConfig


def partition(x: Tensor, size: int) -> Tensor:
    """Maps [T, B, C, H, W] → [T, B·size², C, H/size, W/size]; group (i, j) holds the pixels with row ≡ i, column ≡ j mod size.

    Raises:
        ShapeError: `size` does not divide the height and the width.
    """
    if x.shape[3] % size or x.shape[4] % size:
        raise ShapeError(
            f"local attention in {size}×{size} groups needs maps divisible by {size}; got {tuple(x.shape[3:])}"
        )
    x = x.unflatten(4, (-1, size)).unflatten(3, (-1, size))  # [T, B, C, H/s, s, W/s, s]
    return x.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)


def integrate(x: Tensor, size: int) -> Tensor:
    """The inverse of `partition`."""
    x = x.unflatten(1, (-1, size, size)).permute(0, 1, 4, 5, 2, 6, 3)
    return x.flatten(5, 6).flatten(3, 4)


class LocalSelfAttention(nn.Module):
    """LSSA: spiking self-attention inside each of size² strided groups of pixels, maps [T, B, C, H, W] → spikes alike.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires.
        size: pixels whose row and column are equal modulo this attend to each other.

    Source: Zhang et al., "SGLFormer", Front. Neurosci. 2024; ZhangHanN1/SGLFormer.
    """

    def __init__(self, dim: int, heads: int, *, neuron: NeuronConfig, size: int = 2) -> None:
        super().__init__()
        self.size = size
        self.inner = SpikingSelfAttention(dim, heads, neuron=neuron, proj_bias=False)

    def forward(self, x: Tensor) -> Tensor:
        groups = partition(x, self.size)
        return integrate(to_maps(self.inner(to_tokens(groups)), *groups.shape[3:]), self.size)


class LocalMixer(nn.Module):
    r"""SGLFormer's convolution branch, maps [T, B, C, H, W] → integers alike; U is convolution, norm and neuron.

    $$y=x+U_{DW3}(x),\qquad z=y+U_{1\times1}(U_{DW3}(U_{1\times1}(y)))$$

    Args:
        dim: channels in and out.
        neuron: what fires.
        ratio: hidden width over `dim`.

    Source: Zhang et al., "SGLFormer", Front. Neurosci. 2024; ZhangHanN1/SGLFormer.
    """

    def __init__(self, dim: int, *, neuron: NeuronConfig, ratio: int = 4) -> None:
        super().__init__()
        hidden = ratio * dim
        self.first = ConvNormNeuron(dim, dim, neuron=neuron, groups=dim)
        self.rest = nn.Sequential(
            ConvNormNeuron(dim, hidden, 1, neuron=neuron),
            ConvNormNeuron(hidden, hidden, neuron=neuron, groups=hidden),
            ConvNormNeuron(hidden, dim, 1, neuron=neuron),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        return x + self.rest(x)
