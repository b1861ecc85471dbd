"""Two-layer perceptrons on tokens."""

from torch import Tensor, nn

from spikeformers.layers.attention.spiking import Residual
from spikeformers.layers.checks import check_hidden
from spikeformers.layers.conv import LinearNormNeuron, NeuronLinearNorm
from spikeformers.neurons import NeuronConfig


class SpikingMLP(nn.Module):
    r"""Two linear layers, tokens [T, B, N, C] → [T, B, N, C].

    $$\text{sew: } y=S(\mathrm{BN}(W_2\,S(\mathrm{BN}(W_1x)))),\qquad \text{membrane: } y=\mathrm{BN}(W_2\,S(\mathrm{BN}(W_1\,S(x))))$$

    Args:
        dim: channels in and out.
        hidden: channels between.
        neuron: what fires.
        bias: whether the linear layers have a bias.
        residual: which kind of block this branch belongs to.
    """

    def __init__(
        self, dim: int, hidden: int, *, neuron: NeuronConfig, bias: bool = True, residual: Residual = "sew"
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        unit = LinearNormNeuron if residual == "sew" else NeuronLinearNorm
        self.fc1 = unit(dim, hidden, bias=bias, neuron=neuron)
        self.fc2 = unit(hidden, dim, bias=bias, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x))
