"""Spikformer: the first transformer on spikes, with softmax-free spiking self-attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stems import SPSConfig, StemConfig
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, AttentiveConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.rules import Rule, Rules

_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011", "qkv_bias": True}
_EVENTS = {"img_size": 128, "in_channels": 2, "num_classes": 10, "timesteps": 16, "heads": 16}
_EVENT_ATTENTION = SSAConfig(scale=0.25)


@MODELS.register(
    "spikformer",
    variants={
        "spikformer_tiny": {**_CIFAR, "depth": 1, "dim": 64, "heads": 4, "mlp_ratio": 2.0},
        "spikformer_2_256": {**_EVENTS, "attention": _EVENT_ATTENTION, "depth": 2, "dim": 256},
        "spikformer_2_384": {**_CIFAR, "depth": 2, "dim": 384, "heads": 12},
        "spikformer_4_256": {**_CIFAR, "depth": 4, "dim": 256, "heads": 8},
        "spikformer_4_384": {**_CIFAR, "depth": 4, "dim": 384, "heads": 12},
        "spikformer_8_384": {"depth": 8, "dim": 384, "heads": 12},
        "spikformer_6_512": {"depth": 6, "dim": 512},
        "spikformer_8_512": {"depth": 8, "dim": 512},
        "spikformer_10_512": {"depth": 10, "dim": 512},
        "spikformer_8_768": {"depth": 8, "dim": 768, "heads": 12},
    },
    source="Zhou et al., 'Spikformer: When Spiking Neural Network Meets Transformer', ICLR 2023; ZK-Zhou/spikformer",
)
@dataclass(frozen=True, kw_only=True)
class SpikformerConfig(AttentiveConfig):
    """Spikformer: SPS stem, blocks of SSA and MLP with spikes added to spikes, linear head on the mean over tokens."""

    dim: int = 512
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 8
    """Number of blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    pools: str = "1111"
    """For each of the four stem units, whether a stride-2 max-pool follows: 1111 ImageNet and events, 0011 CIFAR."""
    stem: StemConfig = SPSConfig()
    """From images to tokens."""
    qkv_bias: bool = False
    """Whether the q, k and v projections have a bias (the CIFAR layout has)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        self.attention.check_steps(self.timesteps)
        if self.dim % 8:
            raise ConfigError(f"dim={self.dim} must be divisible by 8 (the stem starts at dim / 8 channels)")
        if len(self.pools) != 4 or set(self.pools) - {"0", "1"}:
            raise ConfigError(f"pools={self.pools!r} must be four digits 0 or 1, such as '0011'")
        check_stride(self.img_size, self.stride)
        self.stem.check(self.pools, self.img_size)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    def build(self) -> "Spikformer":
        return Spikformer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        linear = "block.0.attn.q_linear.weight" in shapes
        events = "pos_embed" in shapes
        dim, in_channels = (
            shapes["patch_embed.proj_conv3.weight"][0],
            shapes["patch_embed.proj_conv.weight"][1],
        )
        hidden = shapes[f"block.0.mlp.fc1_{'linear' if linear else 'conv'}.weight"][0]
        return cls(
            img_size=args.image(default=32 if linear else 128 if events else 224),
            in_channels=in_channels,
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 16 if events else 4),
            dim=dim,
            depth=count_blocks(shapes, "block"),
            heads=args.heads(16 if events else 12 if linear else 8),
            mlp_ratio=hidden / dim,
            pools="0011" if linear else "1111",
            qkv_bias=linear,
            attention=_EVENT_ATTENTION if events else SSAConfig(),
        )

    def official_rules(self) -> Rules:
        kind, extra = ("linear", 0) if self.qkv_bias else ("conv", 1)
        # The ImageNet layout has 4-D weights in its MLP, the event layout 3-D ones.
        mlp_extra = 0 if self.qkv_bias else 1 if self.in_channels == 2 else 2
        rules = [Rule("pos_embed", None), Rule("norm.{p}", None), Rule("head.{p}", "head.{p}")]
        rules += [Rule("block.{i}.norm1.{p}", None), Rule("block.{i}.norm2.{p}", None)]
        for official, ours in (
            ("proj", "units.0"),
            ("proj1", "units.1"),
            ("proj2", "units.2"),
            ("proj3", "units.3"),
            ("rpe", "position"),
        ):
            base, number = official.rstrip("123"), official[len(official.rstrip("123")) :]
            rules.append(Rule(f"patch_embed.{base}_conv{number}.{{p}}", f"stem.{ours}.unit.conv.{{p}}"))
            rules.append(Rule(f"patch_embed.{base}_bn{number}.{{p}}", f"stem.{ours}.unit.norm.{{p}}"))
        for part in ("q", "k", "v", "proj"):
            ours = f"blocks.{{i}}.attention.{part}.unit"
            rules.append(Rule(f"block.{{i}}.attn.{part}_{kind}.{{p}}", f"{ours}.linear.{{p}}", trailing=extra))
            rules.append(Rule(f"block.{{i}}.attn.{part}_bn.{{p}}", f"{ours}.norm.{{p}}"))
        for part in ("fc1", "fc2"):
            ours = f"blocks.{{i}}.mlp.{part}.unit"
            rules.append(Rule(f"block.{{i}}.mlp.{part}_{kind}.{{p}}", f"{ours}.linear.{{p}}", trailing=mlp_extra))
            rules.append(Rule(f"block.{{i}}.mlp.{part}_bn.{{p}}", f"{ours}.norm.{{p}}"))
        return Rules(rules)


class Spikformer(SpikingModel):
    """Image → SPS → blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: SpikformerConfig) -> None:
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
                        qkv_bias=config.qkv_bias,
                        grid=map_size(config.img_size, config.stride),
                    ),
                    SpikingMLP(dim, round(dim * config.mlp_ratio), neuron=neuron),
                )
                for _ in range(config.depth)
            )
        )
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        # The official layouts that use 1×1 convolutions leave them at torch's default, which is that of our linear layers.
        for module in self.modules() if config.qkv_bias else [self.head]:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))
