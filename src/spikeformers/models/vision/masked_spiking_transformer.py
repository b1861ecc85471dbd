"""Masked Spiking Transformer: a Swin with quantized activations that becomes spiking by conversion."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.window import MaskedWindowAttention
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.conv import ConvNorm
from spikeformers.layers.tokens import Grid, to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.qcfs import QCFSConfig
from spikeformers.weights.resize import Resize, keep, relative_table
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules


@MODELS.register(
    "masked_spiking_transformer",
    variants={
        "masked_spiking_transformer_tiny": {
            "img_size": 32,
            "num_classes": 10,
            "dim": 24,
            "depths": (2, 1),
            "heads": (2, 4),
            "window": 4,
            "mlp_ratio": 2.0,
            "masking_ratio": 0.25,
        },
        "masked_spiking_transformer_t": {},
        "masked_spiking_transformer_t_cifar10": {"num_classes": 10, "mlp_norm": False},
        "masked_spiking_transformer_t_cifar100": {"num_classes": 100, "mlp_norm": False},
    },
    source="Wang et al., 'Masked Spiking Transformer', ICCV 2023, arXiv:2210.01208; bic-L/Masked-Spiking-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class MaskedSpikingTransformerConfig(ModelConfig):
    """Masked Spiking Transformer: Swin with batch norms and quantized activations, softmax kept.

    The default neuron is the activation of the network to be converted; the converted spiking network has the same
    tensors: `config.but(neuron=config.neuron.converted(), timesteps=128)`.
    """

    timesteps: int = 1
    """Steps T for which a static image [B, C, H, W] is shown: 1 with the quantized activation, 128 after conversion."""
    neuron: NeuronConfig = QCFSConfig(levels=16, init_threshold=2.0)
    """The activation everywhere in the model, or the neuron that stands for it after conversion."""
    dim: int = 96
    """Width of the first stage; doubles from stage to stage."""
    depths: tuple[int, ...] = (2, 2, 6, 2)
    """Blocks of each stage; every second one has shifted windows."""
    heads: tuple[int, ...] = (3, 6, 12, 24)
    """Attention heads of each stage."""
    patch: int = 4
    """Pixels per side of a token of the first stage."""
    window: int = 7
    """Side of an attention window, in tokens."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over that of its stage."""
    mlp_norm: bool = True
    """Whether the MLP's layers have batch norms (ImageNet; the CIFAR layout has none)."""
    masking_ratio: float = 0.0
    """Probability with which entries of queries, keys and attention are set to 0."""
    mask_at_test: bool = False
    """Draw masks in eval mode too, as the official code does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.depths) != len(self.heads) or not self.depths or min(self.depths) < 1:
            raise ConfigError(f"depths={self.depths} and heads={self.heads} must have one positive entry per stage")
        if not 0.0 <= self.masking_ratio < 1.0:
            raise ConfigError(f"masking_ratio={self.masking_ratio} must be at least 0 and below 1")
        if self.patch < 1 or self.window < 2:
            raise ConfigError(f"patch={self.patch} must be at least 1 and window={self.window} at least 2")
        check_stride(self.img_size, self.patch << (len(self.depths) - 1), flat=False)
        for stage, heads in enumerate(self.heads):
            check_heads(self.dim << stage, heads)
            height, width = map_size(self.img_size, self.patch << stage)
            window = min(self.window, height, width)
            if height % window or width % window:
                raise ConfigError(f"window={window} does not divide the {height}×{width} tokens of stage {stage + 1}")

    def build(self) -> "MaskedSpikingTransformer":
        return MaskedSpikingTransformer(self)

    def positional(self) -> Mapping[str, Resize]:
        return {"*.attention.bias": relative_table, "*.attention.index": keep, "*.attention.mask": keep}

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        first = shapes["patch_embed.proj.weight"]
        stages = range(count_blocks(shapes, "layers"))
        blocks = [f"layers.{stage}.blocks.0" for stage in stages]
        tables = [shapes[f"{block}.attn.relative_position_bias_table"] for block in blocks]
        args.ignore("num_heads", "window_size", "ape", "patch_norm", "use_checkpoint", "fused_window_process")
        args.ignore("dataset", "thr", "threshold")
        levels = args.take("L", 16, "t")
        return cls(
            img_size=args.image(default=_side(shapes, patch=first[2])),
            in_channels=first[1],
            num_classes=shapes["head.weight"][0],
            neuron=QCFSConfig(levels=levels, init_threshold=2.0),
            dim=first[0],
            depths=tuple(count_blocks(shapes, f"layers.{stage}.blocks") for stage in stages),
            heads=tuple(table[1] for table in tables),
            patch=first[2],
            window=max(int(table[0] ** 0.5 + 1) // 2 for table in tables),
            mlp_ratio=shapes[f"{blocks[0]}.mlp.fc1.weight"][0] / first[0],
            mlp_norm=f"{blocks[0]}.mlp.norm1.weight" in shapes,
            masking_ratio=float(args.take("masking_ratio", 0.0)),
            mask_at_test=args.parity,
        )

    def official_rules(self) -> Rules:
        rules = [
            *conv_rules("patch_embed.proj", "patch_embed.norm", "embed"),
            _ceiling("patch_embed.proj_if", "embed_neuron"),
            Rule("norm.{p}", "norm.{p}"),
            Rule("head.{p}", "head.{p}"),
        ]
        for stage in range(1, len(self.depths)):
            official, ours = f"layers.{stage - 1}.downsample", f"stages.{stage}.merge"
            rules += [Rule(f"{official}.norm.{{p}}", f"{ours}.norm.{{p}}")]
            rules += [Rule(f"{official}.reduction.{{p}}", f"{ours}.reduce.{{p}}")]
            rules.append(_ceiling(f"{official}.reduction_if", f"{ours}.neuron"))
        official, ours = "layers.{s}.blocks.{b}", "stages.{s}.blocks.{b}"
        rules += [
            Rule(f"{official}.attn_mask", f"{ours}.attention.mask"),
            Rule(f"{official}.attn.relative_position_bias_table", f"{ours}.attention.bias"),
            Rule(f"{official}.attn.relative_position_index", f"{ours}.attention.index"),
            _ceiling(f"{official}.attn.attn_if", f"{ours}.attention.attention_neuron"),
            _ceiling(f"{official}.attn.attn_v_if", f"{ours}.attention.out_neuron"),
        ]
        rules += [_ceiling(f"{official}.attn.{n}_if", f"{ours}.attention.{n}_neuron") for n in ("q", "k", "v", "proj")]
        rules += [Rule(f"{official}.attn.{n}.{{p}}", f"{ours}.attention.{n}.{{p}}") for n in ("qkv", "proj")]
        for n in "12":
            rules.append(Rule(f"{official}.norm{n}.{{p}}", f"{ours}.norm{n}.{{p}}"))
            rules.append(_ceiling(f"{official}.shortcut{n}_if", f"{ours}.neuron{n}"))
            rules.append(Rule(f"{official}.mlp.fc{n}.{{p}}", f"{ours}.fc{n}.linear.{{p}}"))
            rules.append(Rule(f"{official}.mlp.norm{n}.{{p}}", f"{ours}.fc{n}.norm.{{p}}"))
            rules.append(_ceiling(f"{official}.mlp.fc{n}_if", f"{ours}.fc{n}.neuron"))
        return Rules(rules)


def _side(shapes: Mapping[str, torch.Size], patch: int) -> int:
    """The side of the square image whose shifted windows the first stage masks; 224 where it masks none."""
    windows, pixels, _ = shapes.get("layers.0.blocks.1.attn_mask", (64, 49, 49))
    return patch * isqrt(windows * pixels)


def _ceiling(official: str, ours: str) -> Rule:
    return Rule(f"{official}.up", f"{ours}.threshold", trailing=1)


class TokenNorm(nn.BatchNorm1d):
    """Batch norm over (T, B, N) of tokens [T, B, N, C]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, -2)).view(x.shape)


class Projection(nn.Module):
    """Linear layer, batch norm where asked, neuron; tokens [T, B, N, C]."""

    def __init__(self, in_features: int, out_features: int, *, norm: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.norm = TokenNorm(out_features) if norm else nn.Identity()
        self.neuron = neuron.build(channels=out_features, axis=-1)

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.norm(self.linear(x)))


class Block(nn.Module):
    """x ← x + attention(φ(BN(x))); x ← BN(x); x ← x + mlp(φ(x)), on tokens: the second branch adds to what is normalized."""

    def __init__(self, dim: int, heads: int, grid: Grid, shifted: bool, config: MaskedSpikingTransformerConfig) -> None:
        super().__init__()
        neuron, hidden = config.neuron, int(dim * config.mlp_ratio)
        window = min(config.window, *grid)
        self.norm1, self.neuron1 = TokenNorm(dim), neuron.build(channels=dim, axis=-1)
        self.attention = MaskedWindowAttention(
            dim,
            heads,
            grid=grid,
            window=window,
            shift=config.window // 2 if shifted and min(grid) > config.window else 0,
            neuron=neuron,
            masking_ratio=config.masking_ratio,
            mask_at_test=config.mask_at_test,
        )
        self.norm2, self.neuron2 = TokenNorm(dim), neuron.build(channels=dim, axis=-1)
        self.fc1 = Projection(dim, hidden, norm=config.mlp_norm, neuron=neuron)
        self.fc2 = Projection(hidden, dim, norm=config.mlp_norm, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm2(x + self.attention(self.neuron1(self.norm1(x))))
        return x + self.fc2(self.fc1(self.neuron2(x)))


class PatchMerging(nn.Module):
    """Four neighbors to one token of twice the width: tokens [T, B, N, C] → [T, B, N / 4, 2C]."""

    def __init__(self, dim: int, grid: Grid, neuron: NeuronConfig) -> None:
        super().__init__()
        self.grid = grid
        self.norm = TokenNorm(4 * dim)
        self.reduce = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.neuron = neuron.build(channels=2 * dim, axis=-1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, (self.grid[0] // 2, 2, self.grid[1] // 2, 2))  # [T, B, h, 2, w, 2, C]
        x = x.permute(0, 1, 2, 4, 5, 3, 6).flatten(4).flatten(2, 3)  # down before right
        return self.neuron(self.reduce(self.norm(x)))


class Stage(nn.Module):
    """Merging of patches, but in the first stage, then blocks; tokens [T, B, N, C]."""

    def __init__(self, config: MaskedSpikingTransformerConfig, stage: int) -> None:
        super().__init__()
        dim, grid = config.dim << stage, map_size(config.img_size, config.patch << stage)
        finer = grid[0] * 2, grid[1] * 2
        self.merge = PatchMerging(dim // 2, finer, config.neuron) if stage else nn.Identity()
        self.blocks = nn.Sequential(
            *(Block(dim, config.heads[stage], grid, bool(n % 2), config) for n in range(config.depths[stage]))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.merge(x))


class MaskedSpikingTransformer(SpikingModel):
    """Image → patch embedding → stages → layer norm → mean over tokens → linear head, per step."""

    readout_parts: ClassVar[tuple[str, ...]] = ("norm", "head")

    def __init__(self, config: MaskedSpikingTransformerConfig) -> None:
        super().__init__(config)
        patch = config.patch
        self.embed = ConvNorm(config.in_channels, config.dim, patch, stride=patch, padding=0, bias=True)
        self.embed_neuron = config.neuron.build(channels=config.dim)
        self.stages = nn.ModuleList(Stage(config, stage) for stage in range(len(config.depths)))
        last = config.dim << (len(config.depths) - 1)
        self.norm = nn.LayerNorm(last)
        self.head = nn.Linear(last, config.num_classes)
        self.feature_info = [
            FeatureInfo(config.dim << stage, patch << stage, f"stages.{stage}") for stage in range(len(config.depths))
        ]
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.embed_neuron(self.embed(x))
        x, levels = to_tokens(maps), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            levels.append(to_maps(x, *map_size(self.config.img_size, self.config.patch << number)))
        return levels

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.norm(to_tokens(x)).mean(2))
