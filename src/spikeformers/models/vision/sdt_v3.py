"""Spike-driven Transformer V3 (E-SpikeFormer), the base models trained from scratch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.ssa import EfficientSDSAConfig
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.layers.meta import MetaConvBlock, MetaTrunk, OnTokens, SpikeSeparableConv, WideAttention
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.models.base import MODELS, AttentiveConfig, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.models.vision.sdt_v3_large import SDTV3LargeConfig
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.multispike import MultiSpikeConfig
from spikeformers.weights import meta
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules


@MODELS.register(
    "sdt_v3",
    variants={
        "sdt_v3_tiny": {
            "img_size": 32,
            "num_classes": 10,
            "dims": (16, 16, 32, 32),
            "depths": (1, 1),
            "heads": 2,
            "mlp_ratio": 2.0,
            "init_scale": 0.1,
        },
        "sdt_v3_t": {"dims": (24, 48, 96, 128)},
        "sdt_v3_s": {"dims": (32, 64, 128, 192)},
        "sdt_v3_m": {"dims": (48, 96, 192, 240)},
        "sdt_v3_l": {},
    },
    source="Yao et al., 'Scaling Spike-driven Transformer with Efficient Spike Firing Approximation Training', "
    "T-PAMI 2025, arXiv:2411.16061; BICLab/Spike-Driven-Transformer-V3",
)
@dataclass(frozen=True, kw_only=True)
class SDTV3Config(AttentiveConfig):
    """E-SpikeFormer: the macro design of V2 with integer neurons, spikes before every convolution and wide values.

    One step with integer spikes up to D stands for D steps with binary ones.
    """

    timesteps: int = 1
    """Steps T for which a static image [B, C, H, W] is shown; the integer neuron has no memory, so 1 tells all."""
    neuron: NeuronConfig = MultiSpikeConfig()
    """What fires, everywhere but before the head."""
    head_neuron: NeuronConfig = MultiSpikeConfig(norm=1.0)
    """What fires before the head: the integers themselves."""
    dims: tuple[int, int, int, int] = (64, 128, 256, 360)
    """Widths of the four levels; the first stem convolution has half the first."""
    depths: tuple[int, int] = (6, 2)
    """Transformer blocks of the third and the fourth level."""
    heads: int = 8
    """Attention heads, in both transformer levels."""
    mlp_ratio: float = 4.0
    """Hidden width over width, in MLPs and in the convolution blocks."""
    attention: AttentionConfig = EfficientSDSAConfig()
    """What queries, keys and values make of each other; with `value_ratio` above 1, an operator with a product of the three."""
    value_ratio: int = 4
    """Width of the attention's values over that of queries and keys."""
    init_scale: float = 1.0
    """Weight of the norm that ends each branch before training: officially 1; less keeps deep narrow networks trainable."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != 4 or len(self.depths) != 2 or min(self.dims) < 2 or min(self.depths) < 1:
            raise ConfigError(f"dims={self.dims} must be four widths and depths={self.depths} two positive counts")
        if self.value_ratio < 1:
            raise ConfigError(f"value_ratio={self.value_ratio} must be at least 1")
        if not 0 <= self.init_scale < math.inf:
            raise ConfigError(f"init_scale={self.init_scale} must be finite and not negative")
        for width in self.dims[2:]:
            check_heads(width, self.heads)
        check_stride(self.img_size, 16)

    def build(self) -> "SDTV3":
        return SDTV3(self)

    def twin(self) -> Self:
        """The ANN twin: ReLU for both neurons, one step."""
        return super().twin().but(head_neuron="relu")

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> ModelConfig:  # type: ignore[override]
        """The config of an official checkpoint; those of the large models become `sdt_v3_large`."""
        if "block3.0.attn.q_conv.0.conv1.0.weight" in shapes:
            return SDTV3LargeConfig.from_official(shapes, args)
        names = ("downsample1_2", "downsample2", "downsample3", "downsample4")
        dims = tuple(shapes[f"{name}.encode_conv.weight"][0] for name in names)
        return cls(
            img_size=args.image(default=224),
            in_channels=shapes["downsample1_1.encode_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 1),
            dims=dims,
            depths=(count_blocks(shapes, "block3"), count_blocks(shapes, "block4")),
            heads=args.heads(8),
            mlp_ratio=shapes["block3.0.mlp.fc1_conv.weight"][0] / dims[2],
            value_ratio=shapes["block3.0.attn.v_conv.0.weight"][0] // dims[2],
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}"), *meta.trunk_rules(), *meta.channel_rules()]
        places = [(f"{official}.Conv", f"{ours}.separable") for official, ours in meta.block_places()]
        for official, ours in meta.transformer_places():
            places.append((f"{official}.conv", f"{ours}.separable"))
            for part in ("q", "k", "v", "proj"):
                name, unit = f"{official}.attn.{part}_conv", f"{ours}.attention.{part}"
                unit += "" if part == "proj" else ".unit"
                rules += linear_rules(f"{name}.0", f"{name}.1", unit, trailing=2)
            rules += meta.mlp_rules(f"{official}.mlp", f"{ours}.mlp.inner")
        for official, ours in places:
            for theirs, mine in (("pwconv1", "expand"), ("dwconv", "depth"), ("pwconv2", "project")):
                rules += conv_rules(f"{official}.{theirs}.0", f"{official}.{theirs}.1", f"{ours}.{mine}.unit")
        return Rules(rules)


class Block(nn.Module):
    """x ← x + separable(x); x ← x + attention(x); x ← x + mlp(x), on maps [T, B, C, H, W]."""

    def __init__(self, dim: int, config: SDTV3Config) -> None:
        super().__init__()
        neuron, hidden = config.neuron, round(dim * config.mlp_ratio)
        self.separable = SpikeSeparableConv(dim, neuron=neuron, kernel_size=3)
        self.attention = WideAttention(
            dim,
            config.heads,
            neuron=neuron,
            operator=config.attention,
            value_ratio=config.value_ratio,
            grid=map_size(config.img_size, 16),
        )
        self.mlp = OnTokens(SpikingMLP(dim, hidden, neuron=neuron, residual="membrane"))

    def forward(self, x: Tensor) -> Tensor:
        for branch in (self.separable, self.attention, self.mlp):
            x = x + branch(x)
        return x


def last_norm(branch: nn.Module) -> nn.Module | None:
    """The norm that ends a branch of the residual blocks; None of other modules."""
    match branch:
        case WideAttention():
            return branch.proj.norm
        case SpikeSeparableConv():
            return branch.project.unit.norm
        case ConvMLP() | SpikingMLP():
            return branch.fc2.unit.norm
    return None


class SDTV3(SpikingModel):
    """Image → trunk → mean over pixels → neuron → linear head, per step."""

    def __init__(self, config: SDTV3Config) -> None:
        super().__init__(config)
        neuron, ratio = config.neuron, config.mlp_ratio
        self.trunk = MetaTrunk(
            config.in_channels,
            config.dims,
            config.depths,
            neuron=neuron,
            conv_block=lambda dim: MetaConvBlock(
                dim, SpikeSeparableConv(dim, neuron=neuron), neuron=neuron, ratio=ratio
            ),
            block=lambda dim: Block(dim, config),
        )
        self.head_neuron = config.head_neuron.build(channels=config.dims[3])
        self.head = nn.Linear(config.dims[3], config.num_classes)
        strides = (4, 8, 16, 16)
        self.feature_info = [
            FeatureInfo(dim, stride, f"trunk.levels.{level}")
            for level, (dim, stride) in enumerate(zip(config.dims, strides, strict=True), 1)
        ]
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        for norm in filter(None, map(last_norm, self.modules())):
            nn.init.constant_(norm.weight, config.init_scale)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return self.trunk(x)

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))
