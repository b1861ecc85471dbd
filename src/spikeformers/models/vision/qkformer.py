"""QKFormer: a hierarchical spiking transformer with linear Q-K attention in its early stages."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import nn

from spikeformers.layers.across_batch import AcrossBatch
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.qk import QKTokenConfig
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import check_heads, map_size
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mixer_block import TokenStage
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.paths import TwoPaths
from spikeformers.layers.residual import ResidualBlock
from spikeformers.models.base import MODELS, AttentiveConfig
from spikeformers.models.hierarchical import CIFAR, EVENTS, HierarchicalConfig, HierarchicalModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, attention_parts, conv_rules, count_numbered, part_rules

_CIFAR = {**CIFAR, "early_pool": False}


@MODELS.register(
    "qkformer",
    variants={
        "qkformer_tiny": {**_CIFAR, "img_size": 16, "depths": (1, 1, 1), "dim": 64, "heads": 2, "mlp_ratio": 2.0},
        "qkformer_2_256": {**_CIFAR, **EVENTS},
        "qkformer_4_384": _CIFAR,
        "qkformer_10_384": {"dim": 384, "heads": 6},
        "qkformer_10_512": {},
        "qkformer_10_768": {"dim": 768, "heads": 12},
    },
    source="Zhou et al., 'QKFormer: Hierarchical Spiking Transformer using Q-K Attention', NeurIPS 2024; "
    "zhouchenlin2096/QKFormer",
)
@dataclass(frozen=True, kw_only=True)
class QKFormerConfig(AttentiveConfig, HierarchicalConfig):
    """QKFormer: spiking patch embeddings with shortcuts; Q-K attention in all stages but the last, which has SSA."""

    early_pool: bool = True
    """Whether the embeddings between stages pool after their first convolution (ImageNet) or after their second."""
    attention: AttentionConfig = QKTokenConfig()
    """Attention of all stages but the last, which has SSA: Q-K masking tokens (official) or channels (the paper), or another."""
    batch_leak: bool = False
    """Reproduce the official code, where the neuron after SSA carries its state from sample to sample of a batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for width in self.widths:
            check_heads(width, self.heads)

    def build(self) -> "QKFormer":
        return QKFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        stages = count_numbered(shapes, "stage")
        stride = 4 if "patch_embed1.proj2_conv.weight" in shapes and stages == 3 else 1 if stages == 3 else 8
        fc = "fc1" if "stage1.0.mlp.fc1_conv.weight" in shapes else "mlp1"
        hidden, width = shapes[f"stage1.0.mlp.{fc}_conv.weight"][:2]
        dim = shapes["head.weight"][1]
        heads = args.heads(max(dim // 64, 1))
        return cls(
            img_size=args.image(default={4: 224, 1: 32, 8: 128}[stride]),
            in_channels=shapes["patch_embed1.proj_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 16 if stride == 8 else 4),
            dim=dim,
            depths=tuple(count_blocks(shapes, f"stage{s + 1}") for s in range(stages)),
            # The CIFAR and event code overrides the argument.
            heads={4: heads, 1: 8, 8: 16}[stride],
            mlp_ratio=hidden / width,
            stem_stride=stride,
            early_pool=stride == 4,
            batch_leak=args.parity,
        )

    def official_rules(self) -> Rules:
        imagenet = self.stem_stride == 4
        rules = [Rule("head.{p}", "head.{p}")]
        rules += _path_rules("patch_embed1", "embeds.0", _STEM_NAMES[self.stem_stride])
        for stage in range(1, len(self.depths)):
            names = {"proj" if self.stem_stride == 8 else "proj3": "main.0", "proj4": "main.1", "proj_res": "short"}
            rules += _path_rules(f"patch_embed{stage + 1}", f"embeds.{stage}", names)
        for stage in range(len(self.depths)):
            last = stage == len(self.depths) - 1
            official, ours = f"stage{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
            attention = "tssa" if not last else "attn" if imagenet else "ssa"
            parts = attention_parts((SSAConfig() if last else self.attention).inputs, neuron=True)
            rules += part_rules(f"{official}.{attention}", f"{ours}.attention", parts, trailing=1)
            layers = PERCEPTRON if imagenet else {"mlp1": "fc1.unit", "mlp2": "fc2.unit"}
            rules += part_rules(f"{official}.mlp", f"{ours}.mlp", layers, trailing=2)
        return Rules(rules)


_STEM_NAMES = {
    4: {"proj": "first", "proj1": "main.0", "proj2": "main.1", "proj_res": "short"},
    1: {"proj": "first", "proj1": "main.0", "proj_res": "short"},
    8: {"proj": "first.0", "proj1": "first.1", "proj2": "main.0", "proj3": "main.1", "proj_res": "short"},
}


def _path_rules(official: str, ours: str, names: Mapping[str, str]) -> list[Rule]:
    rules: list[Rule] = []
    for name, part in names.items():
        rules += conv_rules(f"{official}.{name}_conv", f"{official}.{name}_bn", f"{ours}.{part}.unit")
    return rules


class QKFormer(HierarchicalModel):
    """Image → (embedding → blocks) per stage → mean over tokens → linear head, per step."""

    def __init__(self, config: QKFormerConfig) -> None:
        widths, neuron = config.widths, config.neuron
        embeds = [_stem(config.stem_stride, config.in_channels, widths[0], neuron)]
        embeds += [_between(before, width, config.early_pool, neuron) for before, width in pairwise(widths)]
        stages = (
            TokenStage(*(_block(config, stage) for _ in range(depth))) for stage, depth in enumerate(config.depths)
        )
        super().__init__(config, embeds, stages)
        truncated_normal(self.head)


def _stem(stride: int, in_channels: int, width: int, neuron: NeuronConfig) -> TwoPaths:
    def unit(a: int, b: int, *, pool: bool = False) -> ConvNormNeuron:
        return ConvNormNeuron(a, b, neuron=neuron, pool="before_neuron" if pool else "none")

    if stride == 8:
        eighth, quarter, half = width // 8, width // 4, width // 2
        first: nn.Module = nn.Sequential(unit(in_channels, eighth), unit(eighth, quarter, pool=True))
        main = nn.Sequential(unit(quarter, half, pool=True), unit(half, width, pool=True))
        return TwoPaths(first, main, ConvNormNeuron(quarter, width, 1, stride=4, neuron=neuron))
    half = width // 2
    first = unit(in_channels, half, pool=stride == 4)
    main = nn.Sequential(unit(half, width, pool=stride == 4))
    if stride == 4:
        main.append(unit(width, width))
    return TwoPaths(first, main, ConvNormNeuron(half, width, 1, stride=2 if stride == 4 else 1, neuron=neuron))


def _between(before: int, width: int, early_pool: bool, neuron: NeuronConfig) -> TwoPaths:
    places = ("before_neuron", "none") if early_pool else ("none", "before_neuron")
    main = nn.Sequential(
        ConvNormNeuron(before, width, neuron=neuron, pool=places[0]),
        ConvNormNeuron(width, width, neuron=neuron, pool=places[1]),
    )
    return TwoPaths(nn.Identity(), main, ConvNormNeuron(before, width, 1, stride=2, neuron=neuron))


def _block(config: QKFormerConfig, stage: int) -> ResidualBlock:
    width, last = config.widths[stage], stage == len(config.depths) - 1
    attention = SpikingSelfAttention(
        width,
        config.heads,
        neuron=config.neuron,
        operator=SSAConfig() if last else config.attention,
        grid=map_size(config.img_size, config.stem_stride << stage),
    )
    if last and config.batch_leak:
        attention.proj.neuron = AcrossBatch(attention.proj.neuron)
    return ResidualBlock(attention, SpikingMLP(width, round(width * config.mlp_ratio), neuron=config.neuron))
