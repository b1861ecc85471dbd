"""SpikingResformer: residual stages of dual spike self-attention and group-wise convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.dual import DualSpikeAttention
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.conv import ConvNorm, NeuronConvNorm, max_pool
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.time import over_time
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.plif import PLIFConfig
from spikeformers.neurons.surrogate import ATan
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules

_CIFAR = {"img_size": 32, "stem": "plain"}
_EVENTS = {"img_size": 64, "stem": "plain", "num_classes": 11, "timesteps": 16, "dims": (32, 96, 192), "group_size": 32}


@MODELS.register(
    "spikingresformer",
    variants={
        "spikingresformer_tiny": {
            **_CIFAR,
            "num_classes": 10,
            "dims": (16, 32, 64),
            "heads": (1, 2, 4),
            "depths": (1, 1, 1),
            "group_size": 16,
            "ratio": 2,
        },
        "spikingresformer_ti": {},
        "spikingresformer_s": {"dims": (64, 256, 512), "heads": (1, 4, 8)},
        "spikingresformer_m": {"dims": (64, 384, 768), "heads": (1, 6, 12)},
        "spikingresformer_l": {"dims": (128, 512, 1024), "heads": (2, 8, 16)},
        "spikingresformer_ti_cifar10": {**_CIFAR, "num_classes": 10},
        "spikingresformer_ti_cifar100": {**_CIFAR, "num_classes": 100},
        "spikingresformer_dvsg": {**_EVENTS, "neuron": PLIFConfig(surrogate=ATan(alpha=2.0))},
    },
    source="Shi et al., 'SpikingResformer: Bridging ResNet and Vision Transformer in Spiking Neural Networks', CVPR 2024, "
    "arXiv:2403.14302; xyshi2000/SpikingResformer",
)
@dataclass(frozen=True, kw_only=True)
class SpikingResformerConfig(ModelConfig):
    """SpikingResformer: convolution stem, stages of dual attention (DSSA) and group-wise feed-forward, currents added.

    The event variants take three channels: two polarities and a third that is free.
    """

    neuron: NeuronConfig = LIFConfig(surrogate=ATan(alpha=2.0))
    """What fires, everywhere in the model."""
    dims: tuple[int, ...] = (64, 192, 384)
    """Width of each stage; between stages the map halves."""
    heads: tuple[int, ...] = (1, 3, 6)
    """Attention heads of each stage."""
    patches: tuple[int, ...] = (4, 2, 1)
    """Stride and kernel of the attention's convolution in each stage."""
    depths: tuple[int, ...] = (1, 2, 3)
    """Blocks of each stage."""
    ratio: int = 4
    """Hidden width of the feed-forward over that of its stage."""
    group_size: int = 64
    """Channels of a group in the feed-forward's 3×3 convolution."""
    stem: Literal["pooled", "plain"] = "pooled"
    """pooled: 7×7 convolution of stride 2 and a max-pool (ImageNet); plain: 3×3 convolution of stride 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {len(self.dims), len(self.heads), len(self.patches), len(self.depths)}
        if len(sizes) > 1 or not self.dims or min(*self.depths, *self.patches, 1) < 1:
            raise ConfigError(
                f"dims={self.dims}, heads={self.heads}, patches={self.patches} and depths={self.depths} must have one "
                "positive entry per stage"
            )
        stride = self.stem_stride
        for dim, heads, patch in zip(self.dims, self.heads, self.patches, strict=True):
            check_heads(dim, heads)
            check_stride(self.img_size, stride * patch, flat=patch == 1)
            if self.group_size < 1 or self.ratio < 1 or self.ratio * dim % self.group_size:
                raise ConfigError(
                    f"ratio={self.ratio} times dim={dim} is not divisible by group_size={self.group_size}"
                )
            stride *= 2

    @property
    def stem_stride(self) -> int:
        """Pixels per side of the first stage's map."""
        return 4 if self.stem == "pooled" else 1

    def build(self) -> "SpikingResformer":
        return SpikingResformer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        first = shapes["prologue.0.weight"]
        found: list[list[str]] = []
        while any(n.startswith(f"layers.{len(found)}.") for n in shapes):
            stage = f"layers.{len(found)}."
            numbers = sorted(int(n.split(".")[2]) for n in shapes if n.startswith(stage) and n.endswith(".W.weight"))
            found.append([f"{stage}{number}" for number in numbers])
        if not found or not all(found):
            raise CheckpointError("the state dict has stages without dual attention, which are not covered here")
        heads = [shapes[f"{names[0]}.firing_rate_x"][2] for names in found]
        convs = [shapes[f"{names[0]}.W.weight"] for names in found]
        stage, number = found[0][0].rsplit(".", 1)
        inner = shapes[f"{stage}.{int(number) + 1}.conv.0.1.weight"]
        args.ignore("layers", "planes", "num_heads", "patch_sizes", "group_size", "prologue", "activation")
        learned = any(n.endswith("activation_in.w") for n in shapes)
        surrogate = ATan(alpha=2.0)
        plain = first[2] == 3
        return cls(
            img_size=args.image(default=224 if not plain else 64 if learned else 32),
            in_channels=first[1],
            num_classes=shapes["classifier.weight"][0],
            timesteps=args.take("T", 4),
            neuron=PLIFConfig(surrogate=surrogate) if learned else LIFConfig(surrogate=surrogate),
            dims=tuple(conv[1] for conv in convs),
            heads=tuple(heads),
            patches=tuple(conv[2] for conv in convs),
            depths=tuple(len(names) for names in found),
            ratio=inner[0] // convs[0][1],
            group_size=inner[1],
            stem="plain" if plain else "pooled",
        )

    def official_rules(self) -> Rules:
        rules = [*conv_rules("prologue.0", "prologue.1.bn", "first"), Rule("classifier.{p}", "head.{p}")]
        for stage, depth in enumerate(self.depths):
            official, ours = f"layers.{stage}", f"stages.{stage}"
            if stage:
                rules += conv_rules(f"{official}.0.conv", f"{official}.0.norm.bn", f"{ours}.down.unit")
                rules.append(Rule(f"{official}.0.activation.{{p}}", f"{ours}.down.neuron.{{p}}"))
            for block in range(depth):
                number = 2 * block + (1 if stage else 0)
                name, mine = f"{official}.{number}", f"{ours}.blocks.{block}.attention"
                rules += conv_rules(f"{name}.W", f"{name}.norm.bn", f"{mine}.unit")
                rules += conv_rules(f"{name}.Wproj", f"{name}.norm_proj.bn", f"{mine}.proj")
                rules.append(Rule(f"{name}.firing_rate_x", f"{mine}.rate_x"))
                rules.append(Rule(f"{name}.firing_rate_attn", f"{mine}.rate_attention"))
                for theirs, neuron in (("in", "neuron"), ("attn", "attention_neuron"), ("out", "out_neuron")):
                    rules.append(Rule(f"{name}.activation_{theirs}.{{p}}", f"{mine}.{neuron}.{{p}}"))
                name, mine = f"{official}.{number + 1}", f"{ours}.blocks.{block}.mlp"
                for theirs, part in (("up", "up"), ("conv.0", "conv"), ("down", "down")):
                    rules += conv_rules(f"{name}.{theirs}.1", f"{name}.{theirs}.2.bn", f"{mine}.{part}.unit")
                    rules.append(Rule(f"{name}.{theirs}.0.{{p}}", f"{mine}.{part}.neuron.{{p}}"))
        return Rules(rules)


class GroupWiseFFN(nn.Module):
    r"""GWFFN, maps → currents: $u=\mathrm{BN}(W_1S(x))$, $u\leftarrow u+\mathrm{BN}(\mathrm{GConv}_{3\times3}S(u))$, $y=\mathrm{BN}(W_2S(u))$."""

    def __init__(self, dim: int, hidden: int, group_size: int, neuron: NeuronConfig) -> None:
        super().__init__()
        self.up = NeuronConvNorm(dim, hidden, 1, neuron=neuron)
        self.conv = NeuronConvNorm(hidden, hidden, 3, neuron=neuron, groups=hidden // group_size)
        self.down = NeuronConvNorm(hidden, dim, 1, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        u = self.up(x)
        return self.down(u + self.conv(u))


class Stage(nn.Module):
    """Down-sampling from `previous` channels, where that is given, then blocks of attention and feed-forward."""

    def __init__(self, config: SpikingResformerConfig, stage: int) -> None:
        super().__init__()
        dim, neuron = config.dims[stage], config.neuron
        grid = map_size(config.img_size, config.stem_stride << stage)
        self.down: nn.Module = nn.Identity()
        if stage:
            self.down = NeuronConvNorm(config.dims[stage - 1], dim, 3, stride=2, neuron=neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    DualSpikeAttention(dim, config.heads[stage], grid=grid, patch=config.patches[stage], neuron=neuron),
                    GroupWiseFFN(dim, config.ratio * dim, config.group_size, neuron),
                )
                for _ in range(config.depths[stage])
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.down(x))


class SpikingResformer(SpikingModel):
    """Image → stem → stages → mean over pixels of the current → linear head without bias, per step."""

    def __init__(self, config: SpikingResformerConfig) -> None:
        super().__init__(config)
        pooled = config.stem == "pooled"
        self.first = ConvNorm(config.in_channels, config.dims[0], 7 if pooled else 3, stride=2 if pooled else 1)
        self.pool = max_pool() if pooled else nn.Identity()
        self.stages = nn.ModuleList(Stage(config, stage) for stage in range(len(config.dims)))
        self.head = nn.Linear(config.dims[-1], config.num_classes, bias=False)
        self.feature_info = [
            FeatureInfo(dim, config.stem_stride << stage, f"stages.{stage}") for stage, dim in enumerate(config.dims)
        ]
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        x = over_time(self.pool, self.first(x))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))
