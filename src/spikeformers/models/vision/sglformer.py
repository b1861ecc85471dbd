"""SGLFormer: a spiking transformer that first mixes locally, then globally."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.across_batch import AcrossBatch
from spikeformers.layers.attention.local import LocalMixer, LocalSelfAttention
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.time import repeat
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.resize import Resize, token_kernel
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules

_SMALL = {"stem_divisor": 6, "depth": 2, "heads": 16, "bias": False, "readout_kind": "convolution"}
_CIFAR = {**_SMALL, "img_size": 32, "num_classes": 10, "pools": "00011"}
_EVENTS = {**_SMALL, "img_size": 128, "in_channels": 2, "num_classes": 10, "dim": 256, "pools": "01111"}


@MODELS.register(
    "sglformer",
    variants={
        "sglformer_tiny": {"img_size": 32, "num_classes": 10, "dim": 48, "depth": 1, "heads": 2, "pools": "01100"},
        "sglformer_4_384": {**_CIFAR, "dim": 384},
        "sglformer_4_256": {**_EVENTS, "timesteps": 16},
        "sglformer_4_256_t10": {**_EVENTS, "timesteps": 10},
        "sglformer_8_384": {"dim": 384, "heads": 6},
        "sglformer_8_512": {},
        "sglformer_8_768": {"dim": 768, "heads": 12},
        "sglformer_8_384_late": {"dim": 384, "heads": 6, "pools": "01111"},
        "sglformer_8_512_late": {"pools": "01111"},
    },
    source="Zhang et al., 'SGLFormer: Spiking Global-Local-Fusion Transformer with high performance', Front. Neurosci. 2024; "
    "ZhangHanN1/SGLFormer",
)
@dataclass(frozen=True, kw_only=True)
class SGLFormerConfig(ModelConfig):
    """SGLFormer: convolution stem, a local stage (convolutions and attention in groups), global blocks, spikes added to spikes.

    The variants `_late` are the second ImageNet layout, which pools one unit later.
    """

    dim: int = 512
    """Embedding width; divisible by stem_divisor and by heads."""
    stages: int = 1
    """How often the local stage and its global blocks are repeated."""
    depth: int = 6
    """Global blocks behind each local stage."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLPs over dim."""
    pools: str = "11110"
    """For each of the five stem units, whether a stride-2 max-pool precedes its neuron."""
    stem_divisor: int = 8
    """The first stem unit has dim / stem_divisor channels: 8 ImageNet, 6 CIFAR and events."""
    bias: bool = True
    """Whether MLPs and output projections of the global blocks have a bias (ImageNet)."""
    readout_kind: Literal["mean", "convolution"] = "mean"
    """What the head sees: the mean over tokens, or a learned depth-wise convolution over all tokens and steps."""
    batch_leak: bool = False
    """Reproduce the official ImageNet code, where some neurons carry their state from sample to sample of a batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        if self.dim % 4 or self.dim < self.stem_divisor or self.stem_divisor < 1:
            raise ConfigError(f"dim={self.dim} must be divisible by 4 and at least stem_divisor={self.stem_divisor}")
        if len(self.pools) != 5 or set(self.pools) - {"0", "1"}:
            raise ConfigError(f"pools={self.pools!r} must be five digits 0 or 1, such as '00011'")
        # Twice the stem's stride: the local attention groups 2×2 pixels of its map.
        check_stride(self.img_size, 2 * self.stride, flat=False)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    @property
    def causal(self) -> bool:  # type: ignore[override]
        """The readout convolution looks at all steps at once."""
        return self.readout_kind == "mean"

    def positional(self) -> Mapping[str, Resize]:
        return {"readout_conv.weight": token_kernel}

    def build(self) -> "SGLFormer":
        return SGLFormer(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        imagenet = "patch_embed.proj_conv.weight" in shapes
        if imagenet:
            first = shapes["patch_embed.proj_conv.weight"]
            dim, hidden = shapes["head.weight"][1], shapes["localblock.0.local2_MLP.mlp1.conv1x1.weight"][0]
        else:
            first = shapes["stem.conv.conv3x3.weight"]
            dim, hidden = shapes["head.weight"][1], shapes["blocks.0.mlp1.mlp1.conv1x1.weight"][0]
        events = first[1] == 2
        # The two ImageNet layouts have equal tensors; they are told apart by the official class, given as `model`.
        late = imagenet and args.take("model", "sglformer_ima") == "sglformer_ima2"
        steps = args.take("T", 4)
        return cls(
            img_size=args.image(default=224 if imagenet else 128 if events else 32),
            in_channels=first[1],
            num_classes=shapes["head.weight"][0],
            timesteps=steps if imagenet else shapes["full_size_conv.weight"][3],
            dim=dim,
            stages=1 if imagenet else count_blocks(shapes, "blocks"),
            depth=count_blocks(shapes, "blocks") if imagenet else 2,
            heads=args.heads(max(dim // 64, 1) if imagenet else 16),
            mlp_ratio=hidden / dim,
            pools=("01111" if late else "11110") if imagenet else "01111" if events else "00011",
            stem_divisor=8 if imagenet else 6,
            bias=imagenet,
            readout_kind="mean" if imagenet else "convolution",
            batch_leak=imagenet and args.parity,
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}")]
        if self.readout_kind == "mean":
            rules += [Rule("blocks.{i}.norm1.{p}", None), Rule("blocks.{i}.norm2.{p}", None)]
            for number, name in enumerate(("proj", "proj1", "proj2", "proj3", "proj4")):
                rules += conv_rules(f"patch_embed.{name}_conv", f"patch_embed.{name}_bn", f"stem.{number}.unit")
            local = "localblock.0"
            rules += _local_rules(f"{local}.local1", f"{local}.local2_SSA", f"{local}.local2_MLP", "stages.0.local")
            for part in ("q", "k", "v", "proj"):
                name, ours = f"blocks.{{i}}.attn.{part}", f"stages.0.blocks.{{i}}.attention.{part}.unit"
                rules += linear_rules(f"{name}_conv", f"{name}_bn", ours, trailing=1)
            for part in ("fc1", "fc2"):
                name, ours = f"blocks.{{i}}.mlp.{part}", f"stages.0.blocks.{{i}}.mlp.{part}.unit"
                rules += linear_rules(f"{name}_conv", f"{name}_bn", ours, trailing=1)
            return Rules(rules)
        for number, name in enumerate(("stem.conv", *(f"tokenizer.conv{i}" for i in range(1, 5)))):
            rules += conv_rules(f"{name}.conv3x3", f"{name}.bn", f"stem.{number}.unit")
        rules += _local_rules("blocks.{s}.loc", "blocks.{s}.ssa1", "blocks.{s}.mlp1", "stages.{s}.local")
        for block in range(2):
            ours = f"stages.{{s}}.blocks.{block}"
            for part in ("q", "k", "v", "proj"):
                name = f"blocks.{{s}}.ssa{block + 2}.{part}_conv"
                rules += linear_rules(f"{name}.conv1x1", f"{name}.bn", f"{ours}.attention.{part}.unit", trailing=2)
            for part in ("1", "2"):
                name = f"blocks.{{s}}.mlp{block + 2}.mlp{part}"
                rules += linear_rules(f"{name}.conv1x1", f"{name}.bn", f"{ours}.mlp.fc{part}.unit", trailing=2)
        rules += [Rule("full_size_conv.{p}", "readout_conv.{p}"), Rule("bn.{p}", "readout_norm.{p}")]
        return Rules(rules)


def _local_rules(mixer: str, attention: str, mlp: str, ours: str) -> list[Rule]:
    rules = conv_rules(f"{mixer}.conv.conv3x3", f"{mixer}.conv.bn", f"{ours}.mixer.first.unit")
    for number, (name, conv) in enumerate(
        (("conv1x1_1", "conv1x1"), ("dwconv3x3", "conv3x3"), ("conv1x1_2", "conv1x1"))
    ):
        rules += conv_rules(f"{mixer}.{name}.{conv}", f"{mixer}.{name}.bn", f"{ours}.mixer.rest.{number}.unit")
    for part in ("q", "k", "v", "proj"):
        name = f"{attention}.{part}_conv"
        rules += linear_rules(f"{name}.conv1x1", f"{name}.bn", f"{ours}.attention.inner.{part}.unit", trailing=2)
    for part in ("1", "2"):
        rules += conv_rules(f"{mlp}.mlp{part}.conv1x1", f"{mlp}.mlp{part}.bn", f"{ours}.mlp.fc{part}.unit")
    return rules


class LocalBlock(nn.Module):
    """x ← x + mixer(x); x ← x + attention(x); x ← x + mlp(x), on maps [T, B, C, H, W]."""

    def __init__(self, dim: int, heads: int, hidden: int, neuron: NeuronConfig) -> None:
        super().__init__()
        self.mixer = LocalMixer(dim, neuron=neuron)
        self.attention = LocalSelfAttention(dim, heads, neuron=neuron)
        self.mlp = ConvMLP(dim, hidden, neuron=neuron, bias=False, residual="sew")

    def forward(self, x: Tensor) -> Tensor:
        for branch in (self.mixer, self.attention, self.mlp):
            x = x + branch(x)
        return x


class Stage(nn.Module):
    """A local block on maps, then global blocks on their tokens: [T, B, C, H, W] → alike."""

    def __init__(self, config: SGLFormerConfig) -> None:
        super().__init__()
        dim, neuron, hidden = config.dim, config.neuron, round(config.dim * config.mlp_ratio)
        self.local = LocalBlock(dim, config.heads, hidden, neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    SpikingSelfAttention(dim, config.heads, neuron=neuron, proj_bias=config.bias),
                    SpikingMLP(dim, hidden, neuron=neuron, bias=config.bias),
                )
                for _ in range(config.depth)
            )
        )
        if config.batch_leak:
            for block in self.blocks:
                block.attention.proj.neuron = AcrossBatch(block.attention.proj.neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.local(x)
        return to_maps(self.blocks(to_tokens(x)), *x.shape[3:])


class SGLFormer(SpikingModel):
    """Image → five convolution units → stages → readout → linear head, per step."""

    def __init__(self, config: SGLFormerConfig) -> None:
        super().__init__(config)
        dim = config.dim
        widths = [config.in_channels, dim // config.stem_divisor, dim // 4, dim // 2, dim, dim]
        self.stem = nn.Sequential(
            *(
                ConvNormNeuron(a, b, neuron=config.neuron, pool="before_neuron" if pool == "1" else "none")
                for a, b, pool in zip(widths, widths[1:], config.pools, strict=False)
            )
        )
        if config.batch_leak and config.pools[0] == "0":
            self.stem[0].neuron = AcrossBatch(self.stem[0].neuron)  # only in the second ImageNet layout
        self.stages = nn.Sequential(*(Stage(config) for _ in range(config.stages)))
        if config.readout_kind == "convolution":
            tokens = prod(map_size(config.img_size, config.stride))
            self.readout_conv = nn.Conv2d(dim, dim, (tokens, config.timesteps), groups=dim)
            self.readout_norm = nn.BatchNorm2d(dim)
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "stages")]
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return [self.stages(self.stem(x))]

    def classify(self, x: Tensor) -> Tensor:
        """The last map → logits; with the readout convolution the same logits stand for every step.

        Raises:
            ShapeError: the readout convolution was built for another number of steps.
        """
        if self.config.readout_kind == "mean":
            return self.head(x.flatten(3).mean(3))
        steps = x.shape[0]
        if steps != self.config.timesteps:
            raise ShapeError(
                f"sglformer's readout convolution has weights for timesteps={self.config.timesteps}; got T={steps}; "
                "build it with this T or with readout_kind='mean'"
            )
        summary = self.readout_norm(self.readout_conv(x.flatten(3).permute(1, 2, 3, 0)))  # [B, C, 1, 1]
        return repeat(self.head(summary.flatten(1)), steps)
