"""Spiking self-attention: the product of queries, keys and values without softmax."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.base import ATTENTIONS, AttentionConfig
from spikeformers.layers.attention.product import qkv_product
from spikeformers.layers.tokens import Grid, merge_heads, split_heads
from spikeformers.neurons import NeuronConfig


@ATTENTIONS.register(
    "ssa",
    variants={"sdsa3": {}, "sdsa4": {"learned_scale": True}},
    source="Zhou et al., 'Spikformer', ICLR 2023; ZK-Zhou/spikformer. SDSA-3 and SDSA-4: Yao et al., ICLR 2024",
)
@dataclass(frozen=True, kw_only=True)
class SSAConfig(AttentionConfig):
    r"""Spiking self-attention: the product of queries, keys and values, per head, without softmax.

    $$a=S_\theta\big(s\,(qk^\top)v\big)$$

    With a learned scale it is SDSA-4 of the paper (a reconstruction), the same as a learned threshold θ / s.
    """

    scale: float = 0.125
    """Factor s on the product; 0.25 in the CIFAR10-DVS layout of Spikformer."""
    threshold: float = 0.5
    """Threshold θ of the neuron after the product, as a factor of the neuron's own."""
    learned_scale: bool = False
    """Whether s is a parameter of its own in every layer."""

    def __post_init__(self) -> None:
        if self.scale <= 0 or self.threshold <= 0:
            raise ConfigError(f"scale={self.scale} and threshold={self.threshold} of an attention must be positive")

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        scale = nn.Parameter(torch.tensor(self.scale)) if self.learned_scale else self.scale
        return Product(heads, scale, neuron.scaled_threshold(self.threshold).build(channels=value_dim or dim, axis=-1))


@ATTENTIONS.register(
    "efficient_sdsa", source="Yao et al., T-PAMI 2025, arXiv:2411.16061; BICLab/Spike-Driven-Transformer-V3"
)
@dataclass(frozen=True, kw_only=True)
class EfficientSDSAConfig(AttentionConfig):
    r"""Efficient spike-driven attention: the product scaled by the width of a head, with the neuron's own threshold.

    $$a=S\big(2\sqrt{h/C}\;(qk^\top)v\big)$$
    """

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        return Product(heads, 2 * (dim // heads) ** -0.5, neuron.build(channels=value_dim or dim, axis=-1))


class Product(nn.Module):
    """S(s·q·k·v) per head: spikes [T, B, N, C], values of any width → spikes of that width."""

    def __init__(self, heads: int, scale: float | nn.Parameter, neuron: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.scale = scale
        self.neuron = neuron

    def forward(self, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in (q, k, v))
        return self.neuron(merge_heads(qkv_product(q, k, v, self.scale)))
