"""Spikingformer: Spikformer with membrane residuals, so that every convolution but the first sees spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch

from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.stems import BinaryConfig, StemConfig
from spikeformers.models.base import MODELS, AttentiveConfig
from spikeformers.models.isotropic import IsotropicConfig, IsotropicModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import attention_parts, conv_rules, part_rules

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
class SpikingformerConfig(AttentiveConfig, IsotropicConfig):
    """Spikingformer: binary tokenizer, blocks of SSA and MLP on membrane residuals, linear head on the mean membrane.

    The released event models use a LIF with tau 1.5. For 8-768 the released files disagree on the heads (8 or 12).
    """

    stem: StemConfig = BinaryConfig()
    """From images to tokens."""

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
        block, ours = "block.{i}", "blocks.{i}"
        rules += part_rules(f"{block}.attn", f"{ours}.attention", attention_parts(neuron=False), trailing=1)
        rules += part_rules(f"{block}.mlp", f"{ours}.mlp", {"mlp1": "fc1.unit", "mlp2": "fc2.unit"}, trailing=2)
        return Rules(rules)


class Spikingformer(IsotropicModel):
    """Image → binary tokenizer → membrane blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: SpikingformerConfig) -> None:
        mlp = partial(SpikingMLP, residual="membrane")
        blocks = config.build_blocks(config.attention, mlp, residual="membrane")
        super().__init__(config, config.build_stem(), blocks, dim=config.dim, stride=config.stride)
        truncated_normal(self.head)
