"""Spike-driven self-attention and its spatio-temporal successor, on tokens of a map."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeformers.core.errors import ShapeError
from spikeformers.layers.conv import LinearNorm, LinearNormNeuron
from spikeformers.layers.tokens import Grid, grid_of, merge_heads, split_heads, to_maps
from spikeformers.neurons import NeuronConfig


def widen(x: Tensor) -> Tensor:
    """3×3 max-pool of stride 1 over the last two axes: a spike spreads to its neighbours."""
    flat = x.flatten(0, -3)
    return functional.max_pool2d(flat, 3, 1, 1).view(x.shape)


def widen_tokens(x: Tensor, grid: Grid | None = None) -> Tensor:
    """`widen` on the map of size `grid` (None: a square) that tokens [T, B, N, C] came from."""
    return widen(to_maps(x, *grid_of(x.shape[2], grid))).flatten(3).transpose(2, 3)


class SpikeDrivenAttention(nn.Module):
    r"""SDSA-1: attention by Hadamard products and a column sum, tokens [T, B, N, C] → current [T, B, N, C].

    $$z=S(x),\quad q,k,v=S(\mathrm{BN}(W_{q,k,v}z)),\quad g=S_{1/2}\big(\textstyle\sum_{n}k_n\odot v_n\big),\quad
      y=\mathrm{BN}(W_p(q\odot g))$$

    The sum runs over tokens, so heads only matter with `pool`.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires; after the sum with half its threshold.
        pool: the event layout: `widen` k and v on the map, and k⊙v and q⊙g on the N×d plane of each head.
        grid: height and width of the map, which `pool` needs; None is a square.

    Source: Yao et al., "Spike-driven Transformer", NeurIPS 2023; BICLab/Spike-Driven-Transformer.
    """

    def __init__(
        self, dim: int, heads: int, *, neuron: NeuronConfig, pool: bool = False, grid: Grid | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.grid = grid
        self.neuron = neuron.build(channels=dim, axis=-1)
        self.q = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.k = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.v = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.attn_neuron = neuron.scaled_threshold(0.5).build(channels=dim, axis=-1)
        self.proj = LinearNorm(dim, dim, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(x)
        q, k, v = self.q(x), self.k(x), self.v(x)
        if not self.pool:
            gate = self.attn_neuron((k * v).sum(2, keepdim=True))
            return self.proj(q * gate)
        product = widen(split_heads(widen_tokens(k, self.grid) * widen_tokens(v, self.grid), self.heads))
        gate = self.attn_neuron(merge_heads(product).sum(2, keepdim=True))
        return self.proj(merge_heads(widen(split_heads(q * gate, self.heads))))


class SpatioTemporalAttention(nn.Module):
    r"""STAtten: linear attention over the tokens of a chunk of steps, [T, B, N, C] → current [T, B, N, C].

    The c·N tokens of each chunk of c steps attend to each other, per head:

    $$z=S(x),\quad q,k,v=S(\mathrm{BN}(W_{q,k,v}z)),\quad a=S_{1/2}\big(s\,q(k^\top v)\big),\quad y=\mathrm{BN}(W_pa)$$

    with $s=1/\sqrt N$. A step sees the later steps of its chunk.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        chunk: steps c of a chunk; divides T.
        neuron: what fires; after the product with half its threshold.
        pool: the event layout: `widen` q, k, v; with p the widened z, a ← a⊙p + p; and $s=1/(Nc)$.
        grid: height and width of the map, which `pool` needs; None is a square.

    Raises:
        ShapeError: T is not divisible by the chunk, or the tokens are not those of the map.

    Source: Lee et al., "Spiking Transformer with Spatial-Temporal Attention", CVPR 2025;
    Intelligent-Computing-Lab-Yale/STAtten.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        chunk: int,
        neuron: NeuronConfig,
        pool: bool = False,
        grid: Grid | None = None,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.chunk = chunk
        self.pool = pool
        self.grid = grid
        self.neuron = neuron.build(channels=dim, axis=-1)
        self.q = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.k = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.v = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.attn_neuron = neuron.scaled_threshold(0.5).build(channels=dim, axis=-1)
        self.proj = LinearNorm(dim, dim, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        steps, tokens = x.shape[0], x.shape[2]
        if steps % self.chunk:
            raise ShapeError(f"attention over chunks of {self.chunk} steps needs T divisible by it; got T={steps}")
        scale = 1.0 / (tokens * self.chunk) if self.pool else 1.0 / sqrt(tokens)
        z = self.neuron(x)
        q, k, v = self.q(z), self.k(z), self.v(z)
        if self.pool:
            q, k, v = (widen_tokens(part, self.grid) for part in (q, k, v))
        q, k, v = (split_heads(part, self.heads).unflatten(0, (-1, self.chunk)) for part in (q, k, v))
        summary = torch.einsum("gtbhnd,gtbhne->gbhde", k, v) * scale
        attended = torch.einsum("gtbhnd,gbhde->gtbhne", q, summary)
        a = self.attn_neuron(merge_heads(attended.flatten(0, 1)))
        if self.pool:
            p = widen_tokens(z, self.grid)
            a = a * p + p
        return self.proj(a)
