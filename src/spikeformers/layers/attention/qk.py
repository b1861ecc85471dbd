"""Q-K attention: two spike matrices, one of them reduced to a binary mask."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from spikeformers.layers.attention.base import ATTENTIONS, AttentionConfig, check_values
from spikeformers.layers.tokens import Grid
from spikeformers.neurons import NeuronConfig

SOURCE = "Zhou et al., 'QKFormer', NeurIPS 2024; zhouchenlin2096/QKFormer"


@ATTENTIONS.register("qk_token", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class QKTokenConfig(AttentionConfig):
    r"""Q-K token attention: the tokens of each head are masked, in time linear in N and in C.

    $$a=S_{1/2}\Big(\sum_cq_{\cdot,c}\Big)\odot k$$

    The sum runs over the channels of a head.
    """

    inputs: ClassVar[str] = "qk"

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        check_values("qk_token", dim, value_dim)
        return TokenMask(heads, neuron.scaled_threshold(0.5).build(channels=heads, axis=-1))


@ATTENTIONS.register(
    "qk_channel",
    variants={"sdsa2": {}},
    source="Zhou et al., 'QKFormer', NeurIPS 2024, the paper only. SDSA-2: Yao et al., ICLR 2024, the paper only",
)
@dataclass(frozen=True, kw_only=True)
class QKChannelConfig(AttentionConfig):
    r"""Q-K channel attention, and SDSA-2, which is the same: channels are masked.

    $$a=S_{1/2}\Big(\sum_nq_{n,\cdot}\Big)\odot k$$

    The sum runs over tokens. A reconstruction from the papers; as SDSA-2 it fits the published parameter count.
    """

    inputs: ClassVar[str] = "qk"

    def build(
        self, dim: int, heads: int, *, neuron: NeuronConfig, value_dim: int | None = None, grid: Grid | None = None
    ) -> nn.Module:
        check_values("qk_channel", dim, value_dim)
        return ChannelMask(neuron.scaled_threshold(0.5).build(channels=dim, axis=-1))


class TokenMask(nn.Module):
    """Spikes q, k [T, B, N, C] → k at the tokens of each head that q selects."""

    def __init__(self, heads: int, neuron: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.neuron = neuron

    def forward(self, z: Tensor, q: Tensor, k: Tensor) -> Tensor:
        mask = self.neuron(q.unflatten(3, (self.heads, -1)).sum(4))
        return (mask.unsqueeze(4) * k.unflatten(3, (self.heads, -1))).flatten(3)


class ChannelMask(nn.Module):
    """Spikes q, k [T, B, N, C] → k in the channels that q selects."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, z: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return self.neuron(q.sum(2, keepdim=True)) * k
