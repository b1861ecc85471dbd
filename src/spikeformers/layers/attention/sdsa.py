"""Spike-driven self-attention and its spatio-temporal successor."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.layers.attention.base import ATTENTIONS, AttentionConfig, check_values
from spikeformers.layers.tokens import Grid, grid_of, merge_heads, split_heads, to_maps
from spikeformers.neurons import NeuronConfig


@ATTENTIONS.register(
    "sdsa1", source="Yao et al., 'Spike-driven Transformer', NeurIPS 2023; BICLab/Spike-Driven-Transformer"
)
@dataclass(frozen=True, kw_only=True)
class SDSA1Config(AttentionConfig):
    r"""SDSA-1: Hadamard products and a column sum over tokens.

    $$a=q\odot S_{1/2}\Big(\sum_nk_n\odot v_n\Big)$$

    Everything happens channel by channel, so heads only matter with `pool`.
    """

    pool: bool = False
    """Whether spikes spread over 3×3 neighbours: k and v on the map, k⊙v and a on the N×d plane of each head (CIFAR10-DVS)."""

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        check_values("sdsa1", dim, value_dim)
        return Gate(heads, self.pool, grid, neuron.scaled_threshold(0.5).build(channels=dim, axis=-1))


@ATTENTIONS.register(
    "statten",
    source="Lee et al., 'Spiking Transformer with Spatial-Temporal Attention', CVPR 2025; "
    "Intelligent-Computing-Lab-Yale/STAtten",
)
@dataclass(frozen=True, kw_only=True)
class ChunkedConfig(AttentionConfig):
    r"""Spatio-temporal attention: the c·N tokens of a chunk of c steps attend to each other, per head.

    $$a=S_{1/2}\big(s\,q(k^\top v)\big),\qquad s=1/\sqrt N$$

    A step sees the later steps of its chunk.
    """

    causal: ClassVar[bool] = False

    chunk: int = 2
    """Steps c that attend to each other; divides T."""
    pool: bool = False
    """Whether spikes spread over 3×3 neighbours on the map (events): q, k and v, and p from the input; a ← a⊙p + p, s = 1/(Nc)."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError(f"chunk={self.chunk} must be at least 1 step")

    def check_steps(self, timesteps: int) -> None:
        if timesteps % self.chunk:
            fits = ", ".join(str(c) for c in range(1, timesteps + 1) if timesteps % c == 0)
            raise ConfigError(
                f"attention over chunks of chunk={self.chunk} steps does not fill timesteps={timesteps}; "
                f"chunks that do: {fits}"
            )

    def for_one_step(self) -> Self:
        return self.but(chunk=1)

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        if self.pool:
            check_values("statten", dim, value_dim)
        fires = neuron.scaled_threshold(0.5).build(channels=value_dim or dim, axis=-1)
        return ChunkedProduct(heads, self.chunk, self.pool, grid, fires)


def widen(x: Tensor) -> Tensor:
    """3×3 max-pool of stride 1 over the last two axes: a spike spreads to its neighbours."""
    flat = x.flatten(0, -3)
    return functional.max_pool2d(flat, 3, 1, 1).view(x.shape)


def widen_tokens(x: Tensor, grid: Grid | None = None) -> Tensor:
    """`widen` on the map of size `grid` (None: a square) that tokens [T, B, N, C] came from."""
    return widen(to_maps(x, *grid_of(x.shape[2], grid))).flatten(3).transpose(2, 3)


class Gate(nn.Module):
    """Spikes q, k, v [T, B, N, C] → q in the channels where k and v meet often enough."""

    def __init__(self, heads: int, pool: bool, grid: Grid | None, neuron: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.grid = grid
        self.neuron = neuron

    def forward(self, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if not self.pool:
            return q * self.neuron((k * v).sum(2, keepdim=True))
        product = widen(split_heads(widen_tokens(k, self.grid) * widen_tokens(v, self.grid), self.heads))
        gate = self.neuron(merge_heads(product).sum(2, keepdim=True))
        return merge_heads(widen(split_heads(q * gate, self.heads)))


class ChunkedProduct(nn.Module):
    """S(s·q·(k·v)) over the tokens of each chunk: spikes [T, B, N, C], values of any width → spikes of that width.

    Raises:
        ShapeError: T is not divisible by the chunk, or the tokens are not those of the map.
    """

    def __init__(self, heads: int, chunk: int, pool: bool, grid: Grid | None, neuron: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.chunk = chunk
        self.pool = pool
        self.grid = grid
        self.neuron = neuron

    def forward(self, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        steps, tokens = q.shape[0], q.shape[2]
        if steps % self.chunk:
            raise ShapeError(f"attention over chunks of {self.chunk} steps needs T divisible by it; got T={steps}")
        scale = 1.0 / (tokens * self.chunk) if self.pool else 1.0 / sqrt(tokens)
        if self.pool:
            q, k, v = (widen_tokens(part, self.grid) for part in (q, k, v))
        q, k, v = (split_heads(part, self.heads).unflatten(0, (-1, self.chunk)) for part in (q, k, v))
        summary = torch.einsum("gtbhnd,gtbhne->gbhde", k, v) * scale
        attended = torch.einsum("gtbhnd,gbhde->gtbhne", q, summary)
        a = self.neuron(merge_heads(attended.flatten(0, 1)))
        if not self.pool:
            return a
        p = widen_tokens(z, self.grid)
        return a * p + p
