"""Two-layer perceptrons on maps, and their relatives with larger kernels."""

from torch import Tensor, nn

from spikeformers.layers.attention.spiking import Residual
from spikeformers.layers.checks import check_hidden
from spikeformers.layers.conv import ConvNormNeuron, NeuronConvNorm
from spikeformers.neurons import NeuronConfig


class ConvMLP(nn.Module):
    r"""Two convolutions, maps [T, B, C, H, W] → [T, B, C, H, W].

    $$\text{sew: } y=S(\mathrm{BN}(W_2\,S(\mathrm{BN}(W_1x)))),\qquad \text{membrane: } y=\mathrm{BN}(W_2\,S(\mathrm{BN}(W_1\,S(x))))$$

    Args:
        dim: channels in and out.
        hidden: channels between.
        neuron: what fires.
        kernel_size: of both convolutions.
        bias: whether the convolutions have a bias.
        residual: which kind of block this branch belongs to.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        neuron: NeuronConfig,
        kernel_size: int = 1,
        bias: bool = True,
        residual: Residual = "membrane",
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        unit = ConvNormNeuron if residual == "sew" else NeuronConvNorm
        self.fc1 = unit(dim, hidden, kernel_size, neuron=neuron, bias=bias)
        self.fc2 = unit(hidden, dim, kernel_size, neuron=neuron, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x))
