"""Spikingformer: Spikformer with membrane residuals, so that every convolution but the first sees spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_pools, map_size
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stems import BinaryConfig, StemConfig
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, AttentiveConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules

_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011"}
_EVENT_NEURON = LIFConfig(tau=1.5, surrogate=Sigmoid(alpha=4.0))
_EVENTS = {"img_size": 128, "in_channels": 2, "num_classes": 10, "timesteps": 16, "neuron": _EVENT_NEURON}


@MODELS.register(
    "spikingformer",
    variants={
        "spikingformer_tiny": {**_CIFAR, "depth": 1, "dim": 64, "heads": 4, "mlp_ratio": 2.0},
        "spikingformer_2_256": {**_EVENTS, "depth": 2, "dim": 256, "heads": 16},
        "spikingformer_4_256": {**_CIFAR, "depth": 4, "dim": 256},
        "spikingformer_2_384": {**_CIFAR, "depth": 2, "dim": 384, "heads": 12},
        "spikingformer_4_384": {**_CIFAR, "depth": 4, "dim": 384, "heads": 12},
        "spikingformer_8_384": {"dim": 384},
        "spikingformer_8_512": {},
        "spikingformer_8_768": {"dim": 768},
    },
    source="Zhou et al., 'Spikingformer: A Key Foundation Model for Spiking Neural Networks', arXiv:2304.11954, AAAI 2026; "
    "zhouchenlin2096/Spikingformer",
)
@dataclass(frozen=True, kw_only=True)
class SpikingformerConfig(AttentiveConfig):
    """Spikingformer: binary tokenizer, blocks of SSA and MLP on membrane residuals, linear head on the mean membrane.

    The released event models use a LIF with tau 1.5. For 8-768 the released files disagree on the heads (8 or 12).
    """

    dim: int = 512
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 8
    """Number of blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    pools: str = "1111"
    """For each of the four spiking stem units, whether it max-pools by 2: 1111 ImageNet and events, 0011 CIFAR."""
    stem: StemConfig = BinaryConfig()
    """From images to tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        self.attention.check_steps(self.timesteps)
        check_pools(self.dim, self.pools, self.img_size)
        self.stem.check(self.pools, self.img_size)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    def build(self) -> "Spikingformer":
        return Spikingformer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        cifar = "patch_embed.block0_conv.weight" in shapes
        first = shapes["patch_embed.block0_conv.weight" if cifar else "patch_embed.proj_conv.weight"]
        events = first[1] == 2
        hidden, dim = shapes["block.0.mlp.mlp1_conv.weight"][:2]
        return cls(
            img_size=args.image(default=32 if cifar else 128 if events else 224),
            in_channels=first[1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 16 if events else 4),
            neuron=_EVENT_NEURON if events else cls.neuron,
            dim=dim,
            depth=count_blocks(shapes, "block"),
            heads=args.heads(16 if events else 12 if dim == 384 and cifar else 8),
            mlp_ratio=hidden / dim,
            pools="0011" if cifar else "1111",
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}"), Rule("block.{i}.norm1.{p}", None), Rule("block.{i}.norm2.{p}", None)]
        for number, ours in enumerate(["first", *(f"units.{n}.unit" for n in range(4))]):
            official = f"block{number}" if self.pools == "0011" else f"proj{number or ''}"
            rules += conv_rules(f"patch_embed.{official}_conv", f"patch_embed.{official}_bn", f"stem.{ours}")
        for part in ("q", "k", "v", "proj"):
            ours = "proj" if part == "proj" else f"{part}.unit"
            official = f"block.{{i}}.attn.{part}"
            rules += linear_rules(f"{official}_conv", f"{official}_bn", f"blocks.{{i}}.attention.{ours}", 1)
        for part, ours in (("mlp1", "fc1"), ("mlp2", "fc2")):
            official = f"block.{{i}}.mlp.{part}"
            rules += linear_rules(f"{official}_conv", f"{official}_bn", f"blocks.{{i}}.mlp.{ours}.unit", 2)
        return Rules(rules)


class Spikingformer(SpikingModel):
    """Image → binary tokenizer → membrane blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: SpikingformerConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        self.stem = config.stem.build(config.in_channels, dim, pools=config.pools, neuron=neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    SpikingSelfAttention(
                        dim,
                        config.heads,
                        neuron=neuron,
                        operator=config.attention,
                        residual="membrane",
                        grid=map_size(config.img_size, config.stride),
                    ),
                    SpikingMLP(dim, round(dim * config.mlp_ratio), neuron=neuron, residual="membrane"),
                )
                for _ in range(config.depth)
            )
        )
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))
