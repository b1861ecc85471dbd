"""Spiking self-attention."""

from typing import Literal

from torch import Tensor, nn

from spikeformers.layers.attention.product import qkv_product
from spikeformers.layers.conv import LinearNorm, LinearNormNeuron
from spikeformers.layers.tokens import merge_heads, split_heads
from spikeformers.neurons import NeuronConfig

Residual = Literal["sew", "membrane"]
"""How a block adds its branch: spikes onto spikes (integers travel) or currents onto a membrane (analog travels)."""


class SpikingSelfAttention(nn.Module):
    r"""SSA: softmax-free attention on spikes, tokens [T, B, N, C] → [T, B, N, C].

    $$q,k,v=S(\mathrm{BN}(W_{q,k,v}x)),\qquad a=S_{1/2}\big(q k^\top v\cdot s\big),\qquad y=S(\mathrm{BN}(W_p a))$$

    With `residual="membrane"` the input passes a neuron first and the output is the current $\mathrm{BN}(W_p a)$.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires; after the product with half its threshold.
        scale: s.
        qkv_bias, proj_bias: whether the linear layers have a bias.
        residual: which kind of block this branch belongs to.

    Source: Zhou et al., "Spikformer", ICLR 2023; ZK-Zhou/spikformer.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        neuron: NeuronConfig,
        scale: float = 0.125,
        qkv_bias: bool = False,
        proj_bias: bool = True,
        residual: Residual = "sew",
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = scale
        self.neuron = neuron.build(channels=dim, axis=-1) if residual == "membrane" else nn.Identity()
        self.q = LinearNormNeuron(dim, dim, bias=qkv_bias, neuron=neuron)
        self.k = LinearNormNeuron(dim, dim, bias=qkv_bias, neuron=neuron)
        self.v = LinearNormNeuron(dim, dim, bias=qkv_bias, neuron=neuron)
        self.attn_neuron = neuron.scaled_threshold(0.5).build(channels=dim, axis=-1)
        if residual == "sew":
            self.proj: nn.Module = LinearNormNeuron(dim, dim, bias=proj_bias, neuron=neuron)
        else:
            self.proj = LinearNorm(dim, dim, bias=proj_bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(x)
        q, k, v = (split_heads(project(x), self.heads) for project in (self.q, self.k, self.v))
        attended = merge_heads(qkv_product(q, k, v, self.scale))
        return self.proj(self.attn_neuron(attended))
