"""Spikformer: the first transformer on spikes, with softmax-free spiking self-attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch

from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.models.base import MODELS, AttentiveConfig
from spikeformers.models.isotropic import IsotropicConfig, IsotropicModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, attention_parts, part_rules, patch_rules

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
class SpikformerConfig(AttentiveConfig, IsotropicConfig):
    """Spikformer: SPS stem, blocks of SSA and MLP with spikes added to spikes, linear head on the mean over tokens."""

    qkv_bias: bool = False
    """Whether the q, k and v projections have a bias (the CIFAR layout has)."""

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
        block, ours = "block.{i}", "blocks.{i}"
        return Rules(
            [
                *(Rule("pos_embed", None), Rule("norm.{p}", None), Rule("head.{p}", "head.{p}")),
                *(Rule(f"{block}.norm1.{{p}}", None), Rule(f"{block}.norm2.{{p}}", None)),
                *patch_rules([f"units.{i}.unit" for i in range(4)], "position.unit"),
                *part_rules(
                    f"{block}.attn", f"{ours}.attention", attention_parts(neuron=True), kind=kind, trailing=extra
                ),
                *part_rules(f"{block}.mlp", f"{ours}.mlp", PERCEPTRON, kind=kind, trailing=mlp_extra),
            ]
        )


class Spikformer(IsotropicModel):
    """Image → SPS → blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: SpikformerConfig) -> None:
        blocks = config.build_blocks(config.attention, SpikingMLP, residual="sew", qkv_bias=config.qkv_bias)
        super().__init__(config, config.build_stem(), blocks, dim=config.dim, stride=config.stride)
        # The official layouts that use 1×1 convolutions leave them at torch's default, which is that of our linear layers.
        if config.qkv_bias:
            truncated_normal(self.blocks)
        truncated_normal(self.head)
