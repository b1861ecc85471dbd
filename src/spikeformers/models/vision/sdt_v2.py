"""Spike-driven Transformer V2, also called Meta-SpikeFormer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.qk import QKChannelConfig
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.meta import MetaConvBlock, MetaTrunk, OnTokens, RepAttention, SeparableConv
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.models.base import MODELS, AttentiveConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights import meta
from spikeformers.weights.rules import Rule, Rules


@MODELS.register(
    "sdt_v2",
    variants={
        "sdt_v2_tiny": {
            "img_size": 32,
            "num_classes": 10,
            "dims": (16, 16, 32, 32),
            "depths": (1, 1),
            "heads": 2,
            "mlp_ratio": 2.0,
        },
        "sdt_v2_8m": {"dims": (48, 96, 192, 256)},
        "sdt_v2_15m": {"dims": (64, 128, 256, 360)},
        "sdt_v2_31m": {"dims": (96, 192, 384, 480)},
        "sdt_v2_31m_kd": {"dims": (96, 192, 384, 480), "distillation_head": True},
        "sdt_v2_31m_sdsa2": {"dims": (96, 192, 384, 480), "attention": QKChannelConfig()},
        "sdt_v2_55m": {},
        "sdt_v2_55m_kd": {"distillation_head": True},
        "sdt_v2_124m": {"dims": (192, 384, 768, 960)},
        "sdt_v2_124m_kd": {"dims": (192, 384, 768, 960), "distillation_head": True},
    },
    source="Yao et al., 'Spike-driven Transformer V2', ICLR 2024, arXiv:2404.03663; BICLab/Spike-Driven-Transformer-V2",
)
@dataclass(frozen=True, kw_only=True)
class SDTV2Config(AttentiveConfig):
    """Meta-SpikeFormer: two levels of convolution blocks, two of spike-driven attention with RepConv, currents added.

    `attention="sdsa3"`, which is SSA, is the official model; sdsa1, sdsa2 (no values) and sdsa4 (a learned scale) are
    reconstructions from the paper.
    """

    dims: tuple[int, int, int, int] = (128, 256, 512, 640)
    """Widths of the four levels; the first stem convolution has half the first."""
    depths: tuple[int, int] = (6, 2)
    """Transformer blocks of the third and the fourth level."""
    heads: int = 8
    """Attention heads, in both transformer levels."""
    mlp_ratio: float = 4.0
    """Hidden width over width, in MLPs and in the convolution blocks."""
    distillation_head: bool = False
    """A second linear head that learns from a teacher; the output is the mean of both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != 4 or len(self.depths) != 2 or min(self.dims) < 2 or min(self.depths) < 1:
            raise ConfigError(f"dims={self.dims} must be four widths and depths={self.depths} two positive counts")
        for width in self.dims[2:]:
            check_heads(width, self.heads)
        check_stride(self.img_size, 16)

    def build(self) -> "SDTV2":
        return SDTV2(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        names = ("downsample1_2", "downsample2", "downsample3", "downsample4")
        dims = tuple(shapes[f"{name}.encode_conv.weight"][0] for name in names)
        args.ignore("kd")
        return cls(
            img_size=args.image(default=224),
            in_channels=shapes["downsample1_1.encode_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 1),
            dims=dims,
            depths=(count_blocks(shapes, "block3"), count_blocks(shapes, "block4")),
            heads=args.heads(8),
            mlp_ratio=shapes["block3.0.mlp.fc1_conv.weight"][0] / dims[2],
            distillation_head="head_kd.weight" in shapes,
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}"), Rule("head_kd.{p}", "head_kd.{p}")]
        rules += meta.trunk_rules() + meta.channel_rules()
        for official, ours in meta.block_places():
            rules += meta.separable_rules(f"{official}.Conv", f"{ours}.separable")
        for official, ours in meta.transformer_places():
            for part in ("q", "k", "v", "proj"):
                rules += meta.rep_rules(f"{official}.attn.{part}_conv", f"{ours}.attention.{part}")
            rules += meta.mlp_rules(f"{official}.mlp", f"{ours}.mlp.inner")
        return Rules(rules)


class SDTV2(SpikingModel):
    """Image → trunk → mean over pixels → neuron → linear head(s), per step."""

    def __init__(self, config: SDTV2Config) -> None:
        super().__init__(config)
        neuron, ratio = config.neuron, config.mlp_ratio
        self.trunk = MetaTrunk(
            config.in_channels,
            config.dims,
            config.depths,
            neuron=neuron,
            conv_block=lambda dim: MetaConvBlock(dim, SeparableConv(dim, neuron=neuron), neuron=neuron, ratio=ratio),
            block=lambda dim: ResidualBlock(
                RepAttention(
                    dim,
                    config.heads,
                    neuron=neuron,
                    operator=config.attention,
                    grid=map_size(config.img_size, 16),
                ),
                OnTokens(SpikingMLP(dim, round(dim * ratio), neuron=neuron, residual="membrane")),
            ),
        )
        self.head_neuron = neuron.build(channels=config.dims[3])
        self.head = nn.Linear(config.dims[3], config.num_classes)
        self.head_kd = nn.Linear(config.dims[3], config.num_classes) if config.distillation_head else None
        strides = (4, 8, 16, 16)
        self.feature_info = [
            FeatureInfo(dim, stride, f"trunk.levels.{level}")
            for level, (dim, stride) in enumerate(zip(config.dims, strides, strict=True), 1)
        ]
        for head in filter(None, (self.head, self.head_kd)):
            nn.init.trunc_normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return self.trunk(x)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The last map → logits [T, B, K] of the head for labels and of the one for the teacher's, if there is one."""
        spikes = self.head_neuron(x.flatten(3).mean(3))
        return self.head(spikes), None if self.head_kd is None else self.head_kd(spikes)

    def classify(self, x: Tensor) -> Tensor:
        labels, teacher = self.logits(x)
        return labels if teacher is None else (labels + teacher) / 2
