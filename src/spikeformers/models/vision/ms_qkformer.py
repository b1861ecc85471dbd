"""MS-QKFormer: QKFormer with membrane residuals, the baseline of Max-Former."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import torch
from torch import nn

from spikeformers.layers.attention.qk import QKTokenConfig
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import check_heads
from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mixer_block import TokenStage
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.paths import ConvNormPool, TwoPaths, embed_rules, membrane_stem, membrane_stem_rules
from spikeformers.layers.residual import ResidualBlock
from spikeformers.models.base import MODELS
from spikeformers.models.hierarchical import CIFAR, EVENTS, HierarchicalConfig, HierarchicalModel
from spikeformers.models.official import OfficialArgs
from spikeformers.models.vision.maxformer_weights import block_rules, official_fields
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules

_CIFAR = {**CIFAR, "early_pool": False}


@MODELS.register(
    "ms_qkformer",
    variants={
        "ms_qkformer_tiny": {**_CIFAR, "img_size": 16, "depths": (1, 1, 1), "dim": 64, "heads": 2, "mlp_ratio": 2.0},
        "ms_qkformer_2_256": {**_CIFAR, **EVENTS},
        "ms_qkformer_4_384": _CIFAR,
        "ms_qkformer_10_384": {"dim": 384, "heads": 6},
        "ms_qkformer_10_512": {},
        "ms_qkformer_10_768": {"dim": 768, "heads": 12},
    },
    source="Fang et al., 'Spiking Neural Networks Need High-Frequency Information', NeurIPS 2025, arXiv:2505.18608; "
    "bic-L/MaxFormer",
)
@dataclass(frozen=True, kw_only=True)
class MSQKFormerConfig(HierarchicalConfig):
    """MS-QKFormer: Q-K attention in all stages but the last, which has SSA; currents travel along the residuals."""

    any_size: ClassVar[bool] = True

    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the stage's width; at 1 each of its layers has a residual of its own."""
    early_pool: bool = True
    """Whether the embeddings between stages pool after their first convolution (ImageNet) or after their second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for width in self.widths:
            check_heads(width, self.heads)

    def build(self) -> "MSQKFormer":
        return MSQKFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        fields = official_fields(shapes, args, imagenet="patch_embed1.rpe_conv.weight" in shapes)
        in_channels = shapes["patch_embed1.proj_conv.weight"][1]
        return cls(**fields, in_channels=in_channels, early_pool=fields["stem_stride"] == 4)

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}")]
        if self.stem_stride == 4:
            for name, part in (("proj_{}", "first"), ("proj_{}1", "main.0"), ("proj_{}2", "main.1")):
                conv, norm = name.format("conv"), name.format("bn")
                rules += conv_rules(f"patch_embed1.{conv}", f"patch_embed1.{norm}", f"embeds.0.{part}.unit")
            rules += conv_rules("patch_embed1.rpe_conv", "patch_embed1.rpe_bn", "embeds.0.short")
        else:
            rules += membrane_stem_rules(self.stem_stride, "patch_embed1", "embeds.0")
        for stage in range(1, len(self.depths)):
            official, ours = f"patch_embed{stage + 1}", f"embeds.{stage}"
            if self.early_pool:
                for name, part in (("proj3", "main.0.unit"), ("proj4", "main.1.unit"), ("proj_res", "short")):
                    rules += conv_rules(f"{official}.{name}_conv", f"{official}.{name}_bn", f"{ours}.{part}")
            else:
                for name, part in (("embed1", "main.0"), ("max_embed1", "main.1.unit"), ("embed2", "short")):
                    rules += embed_rules(f"{official}.{name}", f"{ours}.{part}")
        last = len(self.depths) - 1
        for stage in range(len(self.depths)):
            rules += block_rules(stage, "qkv" if stage == last else "qk")
        return Rules(rules)


class MSQKFormer(HierarchicalModel):
    """Image → (embedding → blocks) per stage → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: MSQKFormerConfig) -> None:
        widths, neuron = config.widths, config.neuron
        embeds = [_stem(config.stem_stride, config.in_channels, widths[0], neuron)]
        embeds += [_between(before, width, config.early_pool, neuron) for before, width in pairwise(widths)]
        stages = (
            TokenStage(*(_block(config, width) for _ in range(depth)))
            for depth, width in zip(config.depths, widths, strict=True)
        )
        super().__init__(config, embeds, stages, head_neuron=neuron)
        truncated_normal(self.head)


def _stem(stride: int, in_channels: int, width: int, neuron: NeuronConfig) -> TwoPaths:
    if stride != 4:
        return membrane_stem(stride, in_channels, width, neuron)
    half = width // 2
    main = nn.Sequential(ConvNormPool(half, width), NeuronConvNorm(width, width, neuron=neuron))
    first = ConvNormNeuron(in_channels, half, neuron=neuron, pool="before_neuron")
    return TwoPaths(first, main, ConvNorm(half, width, 1, stride=2))


def _between(before: int, width: int, early_pool: bool, neuron: NeuronConfig) -> TwoPaths:
    if early_pool:
        main = nn.Sequential(ConvNormPool(before, width), NeuronConvNorm(width, width, neuron=neuron))
    else:
        main = nn.Sequential(ConvNorm(before, width), ConvNormPool(width, width, neuron=neuron))
    return TwoPaths(neuron.build(channels=before), main, ConvNorm(before, width, 1, stride=2))


def _block(config: MSQKFormerConfig, width: int) -> ResidualBlock:
    operator = SSAConfig() if width == config.dim else QKTokenConfig()
    return ResidualBlock(
        SpikingSelfAttention(width, config.heads, neuron=config.neuron, operator=operator, residual="membrane"),
        membrane_mlp(width, round(width * config.mlp_ratio), config.neuron),
    )
