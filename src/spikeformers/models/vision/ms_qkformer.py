"""MS-QKFormer: QKFormer with membrane residuals, the baseline of Max-Former."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.qk import QKTokenConfig
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import check_heads, check_stages
from spikeformers.layers.conv import ConvNorm, ConvNormNeuron, NeuronConvNorm
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mixer_block import TokenStage
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.paths import ConvNormPool, TwoPaths, embed_rules, membrane_stem, membrane_stem_rules
from spikeformers.layers.residual import ResidualBlock
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, count_numbered, linear_rules

_CIFAR = {"img_size": 32, "num_classes": 10, "depths": (1, 1, 2), "stem_stride": 1, "early_pool": False, "dim": 384}
_EVENTS = {"img_size": 128, "in_channels": 2, "timesteps": 16, "depths": (1, 1), "stem_stride": 8, "mlp_ratio": 1.0}


@MODELS.register(
    "ms_qkformer",
    variants={
        "ms_qkformer_tiny": {**_CIFAR, "img_size": 16, "depths": (1, 1, 1), "dim": 64, "heads": 2, "mlp_ratio": 2.0},
        "ms_qkformer_2_256": {**_CIFAR, **_EVENTS, "dim": 256, "heads": 16},
        "ms_qkformer_4_384": {**_CIFAR},
        "ms_qkformer_10_384": {"dim": 384, "heads": 6},
        "ms_qkformer_10_512": {},
        "ms_qkformer_10_768": {"dim": 768, "heads": 12},
    },
    source="Fang et al., 'Spiking Neural Networks Need High-Frequency Information', NeurIPS 2025, arXiv:2505.18608; "
    "bic-L/MaxFormer",
)
@dataclass(frozen=True, kw_only=True)
class MSQKFormerConfig(ModelConfig):
    """MS-QKFormer: Q-K attention in all stages but the last, which has SSA; currents travel along the residuals."""

    any_size: ClassVar[bool] = True

    dim: int = 512
    """Width of the last stage; each earlier stage has half the width of the next."""
    depths: tuple[int, ...] = (1, 2, 7)
    """Blocks of each stage."""
    heads: int = 8
    """Attention heads in every stage; divides every width."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the stage's width; at 1 each of its layers has a residual of its own."""
    stem_stride: Literal[1, 4, 8] = 4
    """Pixels per token side of the first stage: 4 ImageNet, 1 CIFAR, 8 events."""
    early_pool: bool = True
    """Whether the embeddings between stages pool after their first convolution (ImageNet) or after their second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.dim, self.depths, self.stem_stride, self.img_size)
        for width in self.widths:
            check_heads(width, self.heads)
        if self.widths[0] % (8 if self.stem_stride == 8 else 2):
            raise ConfigError(f"the first stage's width {self.widths[0]} cannot be divided as its stem needs")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim >> (len(self.depths) - 1 - i) for i in range(len(self.depths)))

    def build(self) -> "MSQKFormer":
        return MSQKFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        stages = count_numbered(shapes, "stage")
        stride = 4 if "patch_embed1.rpe_conv.weight" in shapes else 1 if stages == 3 else 8
        hidden, width = shapes["stage1.0.mlp.fc1_conv.weight"][:2]
        dim = shapes["head.weight"][1]
        return cls(
            img_size=args.image(default={4: 224, 1: 32, 8: 128}[stride]),
            in_channels=shapes["patch_embed1.proj_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            depths=tuple(count_blocks(shapes, f"stage{s + 1}") for s in range(stages)),
            heads={4: max(dim // 64, 1), 1: 8, 8: 16}[stride],
            mlp_ratio=hidden / width,
            stem_stride=stride,
            early_pool=stride == 4,
        )

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
        for stage in range(len(self.depths)):
            official, ours = f"stage{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
            for part in ("q", "k", "v", "proj") if stage == len(self.depths) - 1 else ("q", "k", "proj"):
                name, unit = f"{official}.attn.{part}", part if part == "proj" else f"{part}.unit"
                rules += linear_rules(f"{name}_conv", f"{name}_bn", f"{ours}.attention.{unit}", 1)
            for number in (1, 2):
                name = f"{official}.mlp.fc{number}"
                rules += linear_rules(f"{name}_conv", f"{name}_bn", f"{ours}.mlp.fc{number}.unit", 2)
        return Rules(rules)


class MSQKFormer(SpikingModel):
    """Image → (embedding → blocks) per stage → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: MSQKFormerConfig) -> None:
        super().__init__(config)
        widths, neuron = config.widths, config.neuron
        self.embeds = nn.ModuleList([_stem(config.stem_stride, config.in_channels, widths[0], neuron)])
        for before, width in pairwise(widths):
            self.embeds.append(_between(before, width, config.early_pool, neuron))
        self.stages = nn.ModuleList(
            [
                TokenStage(*(_block(config, width) for _ in range(depth)))
                for depth, width in zip(config.depths, widths, strict=True)
            ]
        )
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
