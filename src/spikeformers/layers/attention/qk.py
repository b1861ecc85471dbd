"""Q-K attention: two spike matrices, one of them reduced to a binary mask."""

from typing import Literal

from torch import Tensor, nn

from spikeformers.layers.attention.ssa import Residual
from spikeformers.layers.conv import LinearNorm, LinearNormNeuron
from spikeformers.neurons import NeuronConfig

Masked = Literal["token", "channel"]
"""What the mask selects: whole tokens of a head (QKTA) or whole channels (QKCA)."""


class QKAttention(nn.Module):
    r"""Q-K attention on tokens [T, B, N, C] → [T, B, N, C], linear in N and in C.

    $$q,k=S(\mathrm{BN}(W_{q,k}x)),\qquad m=S_{1/2}\Big(\sum q\Big),\qquad y=S(\mathrm{BN}(W_p(m\odot k)))$$

    Masking tokens, the sum runs over the channels of each head, m is [N, h]; masking channels, it runs over tokens, m is [C].
    With `residual="membrane"` the input passes a neuron first and the output is the current $\mathrm{BN}(W_p(m\odot k))$.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires; for the mask with half its threshold.
        masked: what the mask selects.
        residual: which kind of block this branch belongs to.

    Source: Zhou et al., "QKFormer", NeurIPS 2024; zhouchenlin2096/QKFormer (masking channels: the paper only).
    """

    def __init__(
        self, dim: int, heads: int, *, neuron: NeuronConfig, masked: Masked = "token", residual: Residual = "sew"
    ) -> None:
        super().__init__()
        self.heads = heads
        self.masked = masked
        self.neuron = neuron.build(channels=dim, axis=-1) if residual == "membrane" else nn.Identity()
        self.q = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.k = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        half = neuron.scaled_threshold(0.5)
        self.attn_neuron = half.build(channels=heads if masked == "token" else dim, axis=-1)
        if residual == "sew":
            self.proj: nn.Module = LinearNormNeuron(dim, dim, bias=True, neuron=neuron)
        else:
            self.proj = LinearNorm(dim, dim, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(x)
        q, k = self.q(x), self.k(x)
        if self.masked == "channel":
            return self.proj(self.attn_neuron(q.sum(2, keepdim=True)) * k)
        mask = self.attn_neuron(q.unflatten(3, (self.heads, -1)).sum(4))
        return self.proj((mask.unsqueeze(4) * k.unflatten(3, (self.heads, -1))).flatten(3))
