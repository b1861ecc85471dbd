"""QSD-Transformer: a quantized spike-driven transformer with integer neurons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import check_heads, check_stride
from spikeformers.layers.meta import MetaConvBlock, MetaTrunk, OnTokens, RepAttention, ScaledBlock, SeparableConv
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.quantized import quantize_weights
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.multispike import MultiSpikeConfig
from spikeformers.weights import meta
from spikeformers.weights.rules import Rule, Rules

_IE_LIF = MultiSpikeConfig(v_threshold=0.25, rounding="half_up", closed=False)


@MODELS.register(
    "qsd",
    variants={
        "qsd_tiny": {
            "img_size": 32,
            "num_classes": 10,
            "dims": (16, 16, 32, 32),
            "depths": (1, 1),
            "heads": 2,
            "mlp_ratio": 2.0,
            "init_scale": 0.1,
        },
        "qsd_8_256": {"dims": (48, 96, 192, 256)},
        "qsd_8_15m": {"dims": (64, 128, 256, 360)},
        "qsd_8_384": {"dims": (96, 192, 384, 480)},
        "qsd_8_512": {},
        "qsd_12_512": {"depths": (9, 3)},
        "qsd_8_768": {"dims": (192, 384, 768, 960)},
    },
    source="Qiu et al., 'Quantized Spike-driven Transformer', ICLR 2025, arXiv:2501.13492; bollossom/QSD-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class QSDConfig(ModelConfig):
    """QSD-Transformer: the macro design of Meta-SpikeFormer with weights of few bits, integer neurons and channel scales.

    The distillation of attention statistics from an ANN teacher that the paper describes is not in the official code
    and not here.
    """

    timesteps: int = 1
    """Steps T for which a static image [B, C, H, W] is shown; the integer neuron has no memory, so 1 tells all."""
    neuron: NeuronConfig = _IE_LIF
    """What fires, everywhere but after the attention product."""
    attention_neuron: NeuronConfig = _IE_LIF.but(norm=2.0)
    """What fires after the attention product."""
    dims: tuple[int, int, int, int] = (128, 256, 512, 640)
    """Widths of the four levels; the first stem convolution has half the first."""
    depths: tuple[int, int] = (6, 2)
    """Transformer blocks of the third and the fourth level."""
    heads: int = 8
    """Attention heads, in both transformer levels."""
    mlp_ratio: float = 4.0
    """Hidden width over width, in MLPs and in the convolution blocks."""
    bits: int = 4
    """Bits of every weight."""
    init_scale: float = 1e-6
    """Channel scales of both branches of a transformer block before training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != 4 or len(self.depths) != 2 or min(self.dims) < 2 or min(self.depths) < 1:
            raise ConfigError(f"dims={self.dims} must be four widths and depths={self.depths} two positive counts")
        if not 2 <= self.bits <= 16:
            raise ConfigError(f"bits={self.bits} must be between 2 and 16")
        for width in self.dims[2:]:
            check_heads(width, self.heads)
        check_stride(self.img_size, 16)

    def build(self) -> "QSD":
        return QSD(self)

    def twin(self) -> Self:
        """The ANN twin: ReLU for both neurons, one step; weights stay quantized."""
        return self.but(neuron="relu", attention_neuron="relu", timesteps=1)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        names = ("downsample1_2", "downsample2", "downsample3", "downsample4")
        dims = tuple(shapes[f"{name}.encode_conv.weight"][0] for name in names)
        shapes["head.alpha"]
        return cls(
            img_size=args.image(default=224),
            in_channels=shapes["downsample1_1.encode_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 1),
            dims=dims,
            depths=(count_blocks(shapes, "block3"), count_blocks(shapes, "block4")),
            heads=args.heads(8),
            mlp_ratio=shapes["block3.0.mlp.fc1_conv.weight"][0] / dims[2],
        )

    def official_rules(self) -> Rules:
        rules = [Rule("head.{p}", "head.{p}"), *meta.trunk_rules(), *meta.channel_rules()]
        for official, ours in meta.block_places():
            rules += meta.separable_rules(f"{official}.Conv", f"{ours}.separable")
        for official, ours in meta.transformer_places():
            for part in ("q", "k", "v", "proj"):
                rules += meta.rep_rules(f"{official}.attn.{part}_conv", f"{ours}.attention.{part}")
            rules += meta.mlp_rules(f"{official}.mlp", f"{ours}.mlp.inner")
            rules += [Rule(f"{official}.layer_scale{n}", f"{ours}.scale{n}") for n in (1, 2)]
        # Step sizes stand beside the weights they belong to; the quantizer of inputs is never used.
        quantized: list[Rule] = []
        for rule in rules:
            if rule.ours is None or not rule.ours.endswith(".{p}"):
                continue
            official, ours = rule.official.removesuffix("{p}"), rule.ours.removesuffix("{p}")
            quantized += [Rule(f"{official}{n}", f"{ours}quantizer.{n}") for n in ("alpha", "init_state")]
            quantized.append(Rule(f"{official}act.{{p}}", None))
        return Rules(quantized + rules)


class QSD(SpikingModel):
    """Image → trunk → mean over pixels → neuron → linear head, per step; every weight quantized."""

    def __init__(self, config: QSDConfig) -> None:
        super().__init__(config)
        neuron, ratio = config.neuron, config.mlp_ratio

        def block(dim: int) -> nn.Module:
            attention = RepAttention(
                dim,
                config.heads,
                neuron=neuron,
                operator=SSAConfig(scale=0.25, threshold=1.0),
                attention_neuron=config.attention_neuron,
            )
            mlp = OnTokens(SpikingMLP(dim, round(dim * ratio), neuron=neuron, residual="membrane"))
            return ScaledBlock(dim, attention, mlp, init_scale=config.init_scale)

        self.trunk = MetaTrunk(
            config.in_channels,
            config.dims,
            config.depths,
            neuron=neuron,
            conv_block=lambda dim: MetaConvBlock(dim, SeparableConv(dim, neuron=neuron), neuron=neuron, ratio=ratio),
            block=block,
        )
        self.head_neuron = neuron.build(channels=config.dims[3])
        self.head = nn.Linear(config.dims[3], config.num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        quantize_weights(self, config.bits)
        strides = (4, 8, 16, 16)
        self.feature_info = [
            FeatureInfo(dim, stride, f"trunk.levels.{level}")
            for level, (dim, stride) in enumerate(zip(config.dims, strides, strict=True), 1)
        ]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return self.trunk(x)

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))
