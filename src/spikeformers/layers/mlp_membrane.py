"""The two-layer perceptron of models with membrane residuals, with the special case of equal widths."""

from torch import Tensor, nn

from spikeformers.layers.conv import NeuronLinearNorm
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.neurons import NeuronConfig


class StackedMLP(nn.Module):
    r"""A perceptron whose hidden width equals its input, with a residual around each layer: tokens [T, B, N, C].

    $$h=x+\mathrm{BN}(W_1S(x)),\qquad x+y=h+\mathrm{BN}(W_2S(h))$$

    Like every branch it returns y, what is added to x.

    Source: BICLab/Spike-Driven-Transformer and bic-L/MaxFormer, where the perceptron behaves so at mlp_ratio 1.
    """

    def __init__(self, dim: int, *, neuron: NeuronConfig) -> None:
        super().__init__()
        self.fc1 = NeuronLinearNorm(dim, dim, bias=True, neuron=neuron)
        self.fc2 = NeuronLinearNorm(dim, dim, bias=True, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        first = self.fc1(x)
        return first + self.fc2(x + first)


def membrane_mlp(dim: int, hidden: int, neuron: NeuronConfig) -> nn.Module:
    """The pre-activation perceptron; with hidden = dim, the one with a residual around each layer."""
    if hidden == dim:
        return StackedMLP(dim, neuron=neuron)
    return SpikingMLP(dim, hidden, neuron=neuron, residual="membrane")
