"""Max-Former: max-pooling embeddings and depth-wise convolutions that keep the high frequencies spikes lose."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads
from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mixer_block import MapBlock, TokenStage
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

_CIFAR = {**CIFAR, "reach": (0, 1)}


@MODELS.register(
    "maxformer",
    variants={
        "maxformer_tiny": {**_CIFAR, "img_size": 16, "depths": (1, 1, 1), "dim": 64, "heads": 4, "mlp_ratio": 2.0},
        "maxformer_2_256": {**EVENTS, "reach": (1,)},
        "maxformer_4_384": _CIFAR,
        "maxformer_10_384": {"dim": 384, "heads": 6},
        "maxformer_10_512": {},
        "maxformer_10_768": {"dim": 768, "heads": 12},
    },
    source="Fang et al., 'Spiking Neural Networks Need High-Frequency Information', NeurIPS 2025, arXiv:2505.18608; "
    "bic-L/MaxFormer",
)
@dataclass(frozen=True, kw_only=True)
class MaxFormerConfig(HierarchicalConfig):
    """Max-Former: Max-Embed between stages, depth-wise convolutions in all stages but the last, which has SSA."""

    any_size: ClassVar[bool] = True

    reach: tuple[int, ...] = (3, 2)
    """For each stage but the last, how far its depth-wise convolution reaches (kernel 2·reach+1); 0 for no mixing."""
    heads: int = 8
    """Attention heads of the last stage."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the stage's width; at 1 each of its layers has a residual of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        if len(self.reach) != len(self.depths) - 1 or any(r < 0 for r in self.reach):
            raise ConfigError(
                f"reach={self.reach} must give a number ≥ 0 for every stage of {self.depths} but the last"
            )

    def build(self) -> "MaxFormer":
        return MaxFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        imagenet = "patch_embed1.embed4.embed_conv.weight" in shapes
        fields = official_fields(shapes, args, imagenet=imagenet)
        image = "patch_embed1.embed1.embed_conv.weight" if imagenet else "patch_embed1.proj_conv.weight"
        reach = tuple(_reach(shapes, stage + 1) for stage in range(len(fields["depths"]) - 1))
        return cls(**fields, in_channels=shapes[image][1], reach=reach)

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}")]
        if self.stem_stride == 4:
            for number, part in enumerate(("first.unit", "main.0", "main.1.unit", "short"), start=1):
                rules += embed_rules(f"patch_embed1.embed{number}", f"embeds.0.{part}")
        else:
            rules += membrane_stem_rules(self.stem_stride, "patch_embed1", "embeds.0")
        for stage in range(1, len(self.depths)):
            for official, part in (("max_embed1", "main.0"), ("embed1", "main.1"), ("max_embed2", "short")):
                rules += embed_rules(f"patch_embed{stage + 1}.{official}", f"embeds.{stage}.{part}.unit")
        for stage, reach in enumerate(self.reach):
            # The official code calls the 7×7 convolution conv5.
            name = f"stage{stage + 1}.{{i}}.mixer.{'conv5' if reach == 3 else 'conv'}"
            rules += [*conv_rules(name, f"{name}_bn", f"stages.{stage}.{{i}}.mixer.unit"), *block_rules(stage)]
        rules += block_rules(len(self.reach), "qkv")
        return Rules(rules)


def _reach(shapes: Mapping[str, torch.Size], stage: int) -> int:
    for name in ("conv", "conv5"):
        if f"stage{stage}.0.mixer.{name}.weight" in shapes:
            return shapes[f"stage{stage}.0.mixer.{name}.weight"][-1] // 2
    return 0


class MaxFormer(HierarchicalModel):
    """Image → (embedding → blocks) per stage → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: MaxFormerConfig) -> None:
        widths, neuron = config.widths, config.neuron
        embeds = [_stem(config.stem_stride, config.in_channels, widths[0], neuron)]
        embeds += [max_embed(before, width, neuron) for before, width in pairwise(widths)]
        stages: list[nn.Module] = [
            nn.Sequential(*(_conv_block(config, width, reach) for _ in range(depth)))
            for depth, width, reach in zip(config.depths, widths, config.reach, strict=False)
        ]
        stages.append(TokenStage(*(_attention_block(config) for _ in range(config.depths[-1]))))
        super().__init__(config, embeds, stages, head_neuron=neuron)
        truncated_normal(self.head)


def max_embed(before: int, width: int, neuron: NeuronConfig) -> TwoPaths:
    """Max-Embed: both paths start from the same spikes and max-pool their currents."""
    main = nn.Sequential(ConvNormPool(before, width), NeuronConvNorm(width, width, neuron=neuron))
    return TwoPaths(neuron.build(channels=before), main, ConvNormPool(before, width, 1))


def _stem(stride: int, in_channels: int, width: int, neuron: NeuronConfig) -> TwoPaths:
    if stride != 4:
        return membrane_stem(stride, in_channels, width, neuron)
    main = nn.Sequential(ConvNorm(width // 2, width, stride=2), NeuronConvNorm(width, width, neuron=neuron))
    first = ConvNormNeuron(in_channels, width // 2, stride=2, neuron=neuron)
    return TwoPaths(first, main, ConvNorm(width // 2, width, 1, stride=2))


def _conv_block(config: MaxFormerConfig, width: int, reach: int) -> MapBlock:
    mixer = None
    if reach:
        mixer = NeuronConvNorm(width, width, 2 * reach + 1, groups=width, bias=True, neuron=config.neuron)
    return MapBlock(mixer, membrane_mlp(width, round(width * config.mlp_ratio), config.neuron))


def _attention_block(config: MaxFormerConfig) -> ResidualBlock:
    return ResidualBlock(
        SpikingSelfAttention(config.dim, config.heads, neuron=config.neuron, residual="membrane"),
        membrane_mlp(config.dim, round(config.dim * config.mlp_ratio), config.neuron),
    )
