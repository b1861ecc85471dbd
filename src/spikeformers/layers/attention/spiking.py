"""Self-attention on tokens: projections around any attention operator."""

from typing import Literal

from torch import Tensor, nn

from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.conv import LinearNorm, LinearNormNeuron
from spikeformers.layers.tokens import Grid
from spikeformers.neurons import NeuronConfig

Residual = Literal["sew", "membrane"]
"""How a block adds its branch: spikes onto spikes (integers travel) or currents onto a membrane (analog travels)."""


class SpikingSelfAttention(nn.Module):
    r"""Attention on spikes, tokens [T, B, N, C] → [T, B, N, C].

    $$q,k,v=S(\mathrm{BN}(W_{q,k,v}x)),\qquad a=A(q,k,v),\qquad y=S(\mathrm{BN}(W_p a))$$

    With `residual="membrane"` the input passes a neuron first and the output is the current $\mathrm{BN}(W_p a)$.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires.
        operator: A; which projections there are follows from what it takes.
        qkv_bias, proj_bias: whether the linear layers have a bias.
        residual: which kind of block this branch belongs to.
        grid: height and width of the map that the tokens are of; None is a square.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        neuron: NeuronConfig,
        operator: AttentionConfig = SSAConfig(),
        qkv_bias: bool = False,
        proj_bias: bool = True,
        residual: Residual = "sew",
        grid: Grid | None = None,
    ) -> None:
        super().__init__()
        self.inputs = operator.inputs
        self.neuron = neuron.build(channels=dim, axis=-1) if residual == "membrane" else nn.Identity()
        for name in self.inputs:
            self.add_module(name, LinearNormNeuron(dim, dim, bias=qkv_bias, neuron=neuron))
        self.operator = operator.build(dim, heads, neuron=neuron, grid=grid)
        if residual == "sew":
            self.proj: nn.Module = LinearNormNeuron(dim, dim, bias=proj_bias, neuron=neuron)
        else:
            self.proj = LinearNorm(dim, dim, bias=proj_bias)

    def forward(self, x: Tensor) -> Tensor:
        z = self.neuron(x)
        return self.proj(self.operator(z, *(self.get_submodule(name)(z) for name in self.inputs)))
