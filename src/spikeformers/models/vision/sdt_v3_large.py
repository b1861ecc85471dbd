"""Spike-driven Transformer V3 (E-SpikeFormer), the large models fine-tuned from masked pre-training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.product import qkv_product
from spikeformers.layers.checks import check_heads, check_stride
from spikeformers.layers.conv import ConvNorm, LinearNorm, NeuronConvNorm
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.tokens import merge_heads, split_heads, to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.multispike import MultiSpikeConfig
from spikeformers.weights import meta
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules

_SFA = MultiSpikeConfig(rounding="half_up", closed=False)
_PLACES = (("1_1", 0, 0), ("1_2", 1, 0), ("2_1", 2, 0), ("2_2", 2, 1))


@MODELS.register(
    "sdt_v3_large",
    variants={
        "sdt_v3_large_tiny": {
            "img_size": 64,
            "num_classes": 10,
            "dims": (16, 16, 64),
            "depth": 1,
            "heads": 2,
            "mlp_ratio": 2.0,
            "init_scale": 0.5,
            "distillation_head": True,
        },
        "sdt_v3_12_512": {},
        "sdt_v3_12_512_kd": {"distillation_head": True},
        "sdt_v3_12_768": {"dims": (196, 384, 768), "pre_mixing": False},
        "sdt_v3_12_768_kd": {"dims": (196, 384, 768), "pre_mixing": False, "distillation_head": True},
    },
    source="Yao et al., 'Scaling Spike-driven Transformer with Efficient Spike Firing Approximation Training', "
    "T-PAMI 2025, arXiv:2411.16061; BICLab/Spike-Driven-Transformer-V3",
)
@dataclass(frozen=True, kw_only=True)
class SDTV3LargeConfig(ModelConfig):
    """E-SpikeFormer large: convolution levels, then one level of attention with low-rank projections and channel scales.

    As in the official code, the first head sees the mean current and only the second, learned from a teacher, spikes.
    The official masked pre-training (SpikMAE, docs/howto/pretrain-by-masking.md) of the 768 model is 192 wide in front where
    the classifier is 196: to start from it, set dims=(192, 384, 768).
    """

    timesteps: int = 1
    """Steps T for which a static image [B, C, H, W] is shown; the integer neuron has no memory, so 1 tells all."""
    neuron: NeuronConfig = _SFA
    """What fires, everywhere but before the second head."""
    head_neuron: NeuronConfig = _SFA.but(norm=1.0)
    """What fires before the second head, if there is one."""
    dims: tuple[int, int, int] = (128, 256, 512)
    """Widths at strides 4, 8 and 16; the first stem convolution has half the first."""
    depth: int = 12
    """Transformer blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width over width, in MLPs and in the convolution blocks."""
    pre_mixing: bool = True
    """Whether a branch of two linear layers precedes the attention of every block (the 512 model has it)."""
    init_scale: float | None = 1e-6
    """Channel scales of attention and MLP before training; none has no scales, as in the official masked pre-training."""
    distillation_head: bool = False
    """A second linear head that learns from a teacher; the output is the mean of both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != 3 or min(self.dims) < 2 or self.depth < 1:
            raise ConfigError(f"dims={self.dims} must be three widths and depth={self.depth} at least 1")
        check_heads(self.dims[2], self.heads)
        check_stride(self.img_size, 16)

    def build(self) -> "SDTV3Large":
        return SDTV3Large(self)

    def twin(self) -> Self:
        """The ANN twin: ReLU for both neurons, one step."""
        return self.but(neuron="relu", head_neuron="relu", timesteps=1)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        names = ("downsample1_2", "downsample2", "downsample3")
        dims = tuple(shapes[f"{name}.encode_conv.weight"][0] for name in names)
        args.ignore("nb_classes", "kd", "choice")
        return cls(
            img_size=args.image(default=224),
            in_channels=shapes["downsample1_1.encode_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 1),
            dims=dims,
            depth=count_blocks(shapes, "block3"),
            heads=args.heads(8),
            mlp_ratio=shapes["block3.0.mlp.fc1_conv.weight"][0] / dims[2],
            pre_mixing="block3.0.rep_conv.conv1.0.weight" in shapes,
            init_scale=1e-6 if "block3.0.layer_scale1" in shapes else None,
            distillation_head="head_kd.weight" in shapes,
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}"), Rule("head_kd.{p}", "head_kd.{p}")]
        for level, name in enumerate(("1_1", "1_2", "2", "3")):
            ours = f"downs.{level}" + (".unit" if level else "")
            rules += conv_rules(f"downsample{name}.encode_conv", f"downsample{name}.encode_bn", ours)
        for name, level, number in _PLACES:
            for part in "12":
                official, ours = f"ConvBlock{name}.0.conv{part}.0", f"levels.{level}.{number}.channel.fc{part}.unit"
                rules += conv_rules(f"{official}.0", f"{official}.1", ours)
        official, ours = "block3.{i}", "blocks.{i}"
        for part in "12":
            name = f"{official}.rep_conv.conv{part}"
            rules += linear_rules(f"{name}.0", f"{name}.1", f"{ours}.pre.{part}", trailing=1)
            rules.append(Rule(f"{official}.layer_scale{part}", f"{ours}.scale{part}"))
            for projection in ("q", "k", "v", "proj"):
                name = f"{official}.attn.{projection}_conv.0.conv{part}"
                mine = f"{ours}.attention.{projection}.{'down' if part == '1' else 'up'}"
                rules += linear_rules(f"{name}.0", f"{name}.1", mine, trailing=1)
        for projection in ("q", "k", "v", "proj"):
            rules.append(
                Rule(f"{official}.attn.{projection}_conv.1.{{p}}", f"{ours}.attention.{projection}.norm.{{p}}")
            )
        return Rules([*rules, *meta.mlp_rules(f"{official}.mlp", f"{ours}.mlp")])


class ConvBlock(nn.Module):
    """x ← x + channel(x), two full 3×3 convolutions with a wide middle; maps [T, B, C, H, W]."""

    def __init__(self, dim: int, ratio: float, neuron: NeuronConfig) -> None:
        super().__init__()
        self.channel = ConvMLP(dim, round(dim * ratio), kernel_size=3, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.channel(x)


class WideLinear(nn.Module):
    """Two linear layers with a middle 1.5 times as wide, each with a norm, and an outer norm; tokens, merges into one layer."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        middle = int(1.5 * dim)
        self.down = LinearNorm(dim, middle, bias=False)
        self.up = LinearNorm(middle, dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.down(x))
        return self.norm(y.flatten(0, -2)).view(y.shape)


class Attention(nn.Module):
    r"""SDSA-3 with `WideLinear` projections, tokens → currents: $q,k,v=S(R\,S(x))$, $y=R_pS(\frac18\,q(k^\top v))$."""

    def __init__(self, dim: int, heads: int, neuron: NeuronConfig) -> None:
        super().__init__()
        self.heads = heads
        self.neuron = neuron.build(channels=dim, axis=-1)
        self.q, self.k, self.v, self.proj = (WideLinear(dim) for _ in range(4))
        self.q_neuron, self.k_neuron, self.v_neuron, self.attention_neuron = (
            neuron.build(channels=dim, axis=-1) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        z = self.neuron(x)
        q, k, v = self.q_neuron(self.q(z)), self.k_neuron(self.k(z)), self.v_neuron(self.v(z))
        q, k, v = (split_heads(part, self.heads) for part in (q, k, v))
        return self.proj(self.attention_neuron(merge_heads(qkv_product(q, k, v, 0.125))))


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale


class Block(nn.Module):
    """x ← x + pre(S(x)) where asked; x ← x + λ₁·attention(x); x ← x + λ₂·mlp(x), on tokens [T, B, N, C]."""

    def __init__(self, config: SDTV3LargeConfig) -> None:
        super().__init__()
        dim, neuron = config.dims[2], config.neuron
        self.pre = None
        if config.pre_mixing:
            self.pre = nn.ModuleDict(
                {
                    "neuron": neuron.build(channels=dim, axis=-1),
                    "1": LinearNorm(dim, dim, bias=False),
                    "2": LinearNorm(dim, dim, bias=False),
                }
            )
        self.attention = Attention(dim, config.heads, neuron)
        self.mlp = SpikingMLP(dim, round(dim * config.mlp_ratio), neuron=neuron, residual="membrane")
        self.scale1, self.scale2 = None, None
        if config.init_scale is not None:
            self.scale1 = nn.Parameter(torch.full((dim,), config.init_scale))
            self.scale2 = nn.Parameter(torch.full((dim,), config.init_scale))

    def forward(self, x: Tensor) -> Tensor:
        if self.pre is not None:
            x = x + self.pre["2"](self.pre["1"](self.pre["neuron"](x)))
        x = x + _scaled(self.attention(x), self.scale1)
        return x + _scaled(self.mlp(x), self.scale2)


class SDTV3Large(SpikingModel):
    """Image → convolution levels → blocks → mean over tokens → linear head(s), per step."""

    added_later: ClassVar[tuple[str, ...]] = ("blocks.*.scale1", "blocks.*.scale2")

    def __init__(self, config: SDTV3LargeConfig) -> None:
        super().__init__(config)
        neuron, ratio, dims = config.neuron, config.mlp_ratio, config.dims
        widths = [dims[0] // 2, *dims]
        self.downs = nn.ModuleList([ConvNorm(config.in_channels, widths[0], 7, stride=2, bias=True)])
        for before, after in zip(widths, dims, strict=False):
            self.downs.append(NeuronConvNorm(before, after, 3, stride=2, bias=True, neuron=neuron))
        self.levels = nn.ModuleList(
            nn.Sequential(*(ConvBlock(width, ratio, neuron) for _ in range(count)))
            for width, count in zip(widths, (1, 1, 2), strict=False)
        )
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.depth)))
        self.head = nn.Linear(dims[2], config.num_classes)
        self.head_neuron, self.head_kd = None, None
        if config.distillation_head:
            self.head_neuron = config.head_neuron.build(channels=dims[2])
            self.head_kd = nn.Linear(dims[2], config.num_classes)
        self.feature_info = [
            FeatureInfo(dims[0], 4, "levels.1"),
            FeatureInfo(dims[1], 8, "levels.2"),
            FeatureInfo(dims[2], 16, "blocks"),
        ]
        for head in filter(None, (self.head, self.head_kd)):
            nn.init.xavier_uniform_(head.weight)
            nn.init.zeros_(head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = []
        for down, blocks in zip(self.downs, self.levels, strict=False):
            x = blocks(down(x))
            maps.append(x)
        x = self.downs[3](x)
        return [*maps[1:], to_maps(self.blocks(to_tokens(x)), *x.shape[3:])]

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The last map → logits [T, B, K] of the head for labels and of the one for the teacher's, if there is one."""
        mean = x.flatten(3).mean(3)
        if self.head_kd is None or self.head_neuron is None:
            return self.head(mean), None
        return self.head(mean), self.head_kd(self.head_neuron(mean))

    def classify(self, x: Tensor) -> Tensor:
        labels, teacher = self.logits(x)
        return labels if teacher is None else (labels + teacher) / 2
