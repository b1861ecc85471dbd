"""Max-Former: max-pooling embeddings and depth-wise convolutions that keep the high frequencies spikes lose."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_stages
from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mixer_block import MapBlock, TokenStage
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.paths import ConvNormPool, TwoPaths, embed_rules, membrane_stem, membrane_stem_rules
from spikeformers.layers.residual import ResidualBlock
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, count_numbered, linear_rules

_CIFAR = {"img_size": 32, "num_classes": 10, "depths": (1, 1, 2), "reach": (0, 1), "stem_stride": 1, "dim": 384}
_EVENTS = {"img_size": 128, "in_channels": 2, "timesteps": 16, "depths": (1, 1), "stem_stride": 8, "mlp_ratio": 1.0}


@MODELS.register(
    "maxformer",
    variants={
        "maxformer_tiny": {**_CIFAR, "img_size": 16, "depths": (1, 1, 1), "dim": 64, "heads": 4, "mlp_ratio": 2.0},
        "maxformer_2_256": {**_CIFAR, **_EVENTS, "reach": (1,), "dim": 256, "heads": 16},
        "maxformer_4_384": {**_CIFAR},
        "maxformer_10_384": {"dim": 384, "heads": 6},
        "maxformer_10_512": {},
        "maxformer_10_768": {"dim": 768, "heads": 12},
    },
    source="Fang et al., 'Spiking Neural Networks Need High-Frequency Information', NeurIPS 2025, arXiv:2505.18608; "
    "bic-L/MaxFormer",
)
@dataclass(frozen=True, kw_only=True)
class MaxFormerConfig(ModelConfig):
    """Max-Former: Max-Embed between stages, depth-wise convolutions in all stages but the last, which has SSA."""

    any_size: ClassVar[bool] = True

    dim: int = 512
    """Width of the last stage; each earlier stage has half the width of the next."""
    depths: tuple[int, ...] = (1, 2, 7)
    """Blocks of each stage."""
    reach: tuple[int, ...] = (3, 2)
    """For each stage but the last, how far its depth-wise convolution reaches (kernel 2·reach+1); 0 for no mixing."""
    heads: int = 8
    """Attention heads of the last stage."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the stage's width; at 1 each of its layers has a residual of its own."""
    stem_stride: Literal[1, 4, 8] = 4
    """Pixels per token side of the first stage: 4 ImageNet, 1 CIFAR, 8 events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.dim, self.depths, self.stem_stride, self.img_size)
        check_heads(self.dim, self.heads)
        if self.widths[0] % (8 if self.stem_stride == 8 else 2):
            raise ConfigError(f"the first stage's width {self.widths[0]} cannot be divided as its stem needs")
        if len(self.reach) != len(self.depths) - 1 or any(r < 0 for r in self.reach):
            raise ConfigError(
                f"reach={self.reach} must give a number ≥ 0 for every stage of {self.depths} but the last"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim >> (len(self.depths) - 1 - i) for i in range(len(self.depths)))

    def build(self) -> "MaxFormer":
        return MaxFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        stages = count_numbered(shapes, "stage")
        stride = 4 if "patch_embed1.embed4.embed_conv.weight" in shapes else 1 if stages == 3 else 8
        hidden, width = shapes["stage1.0.mlp.fc1_conv.weight"][:2]
        dim = shapes["head.weight"][1]
        image = "patch_embed1.embed1.embed_conv.weight" if stride == 4 else "patch_embed1.proj_conv.weight"
        return cls(
            img_size=args.image(default={4: 224, 1: 32, 8: 128}[stride]),
            in_channels=shapes[image][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            depths=tuple(count_blocks(shapes, f"stage{s + 1}") for s in range(stages)),
            reach=tuple(_reach(shapes, s + 1) for s in range(stages - 1)),
            heads={4: max(dim // 64, 1), 1: 8, 8: 16}[stride],
            mlp_ratio=hidden / width,
            stem_stride=stride,
        )

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
        for stage in range(len(self.depths)):
            official, ours = f"stage{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
            if stage < len(self.reach):
                # The official code calls the 7×7 convolution conv5.
                name = f"{official}.mixer.{'conv5' if self.reach[stage] == 3 else 'conv'}"
                rules += conv_rules(name, f"{name}_bn", f"{ours}.mixer.unit")
            else:
                for part in ("q", "k", "v", "proj"):
                    name, unit = f"{official}.attn.{part}", part if part == "proj" else f"{part}.unit"
                    rules += linear_rules(f"{name}_conv", f"{name}_bn", f"{ours}.attention.{unit}", 1)
            for number in (1, 2):
                name = f"{official}.mlp.fc{number}"
                rules += linear_rules(f"{name}_conv", f"{name}_bn", f"{ours}.mlp.fc{number}.unit", 2)
        return Rules(rules)


def _reach(shapes: Mapping[str, torch.Size], stage: int) -> int:
    for name in ("conv", "conv5"):
        if f"stage{stage}.0.mixer.{name}.weight" in shapes:
            return shapes[f"stage{stage}.0.mixer.{name}.weight"][-1] // 2
    return 0


class MaxFormer(SpikingModel):
    """Image → (embedding → blocks) per stage → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: MaxFormerConfig) -> None:
        super().__init__(config)
        widths, neuron = config.widths, config.neuron
        self.embeds = nn.ModuleList([_stem(config.stem_stride, config.in_channels, widths[0], neuron)])
        self.stages = nn.ModuleList()
        for before, width in pairwise(widths):
            self.embeds.append(max_embed(before, width, neuron))
        for depth, width, reach in zip(config.depths, widths, config.reach, strict=False):
            self.stages.append(nn.Sequential(*(_conv_block(config, width, reach) for _ in range(depth))))
        self.stages.append(TokenStage(*(_attention_block(config) for _ in range(config.depths[-1]))))
        self.head_neuron = neuron.build(channels=config.dim, axis=-1)
        self.head = nn.Linear(config.dim, config.num_classes)
        self.feature_info = [
            FeatureInfo(width, config.stem_stride << i, f"stages.{i}") for i, width in enumerate(widths)
        ]
        truncated_normal(self.head)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        levels = []
        for embed, stage in zip(self.embeds, self.stages, strict=True):
            x = stage(embed(x))
            levels.append(x)
        return levels

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))


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
