"""SWformer: a spiking transformer whose tokens are mixed by wavelets instead of attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.wavelet import FrequencyAwareTokenMixer, Order
from spikeformers.layers.checks import map_size
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem_membrane import MembranePatchSplitting
from spikeformers.models.base import MODELS, SpikingModel
from spikeformers.models.isotropic import PooledConfig
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.neurons.ternary import TernaryConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, patch_rules

_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011", "head_neuron": False, "blocks": 4}
_EVENTS = {
    "img_size": 128,
    "in_channels": 2,
    "num_classes": 10,
    "timesteps": 16,
    "head_neuron": False,
    "blocks": 4,
    "order": "sequential",
}
_NEG_IF = TernaryConfig(decay=1.0, v_negative=0.5, margin=1e-3, detach_reset=False, surrogate=Sigmoid(alpha=4.0))


@MODELS.register(
    "swformer",
    variants={
        "swformer_tiny": {**_CIFAR, "dim": 64, "depth": 1, "mlp_ratio": 2.0},
        "swformer_2_256": {**_EVENTS, "depth": 2, "dim": 256},
        "swformer_4_384": {**_CIFAR, "depth": 4, "dim": 384},
        "swformer_6_512": {"depth": 6, "dim": 512},
        "swformer_8_512": {"depth": 8, "dim": 512},
        "swformer_8_512_b4": {"depth": 8, "dim": 512, "blocks": 4},
    },
    source="Fang et al., 'Spiking Wavelet Transformer', ECCV 2024, arXiv:2403.11138; bic-L/Spiking-Wavelet-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class SWformerConfig(PooledConfig):
    """SWformer: membrane stem, blocks of wavelet mixing (FATM) and MLP with currents added, linear head on the mean over pixels."""

    img_size: int | tuple[int, int] = 256
    """Height and width of the input in pixels; one number for a square; those of the last map must be powers of two."""
    dim: int = 512
    """Embedding width; divisible by 8 and by blocks."""
    depth: int = 8
    """Number of transformer blocks."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    blocks: int = 2
    """Blocks of channels that the wavelet coefficients are mixed in."""
    order: Order = "parallel"
    """Whether the mixer's convolutions stand beside the wavelet branch or behind it (events)."""
    head_neuron: bool = True
    """Whether a neuron fires before the linear head (ImageNet)."""
    wavelet_neuron: NeuronConfig = _NEG_IF
    """What fires between the one-dimensional transforms, with spikes of both signs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blocks < 1 or self.dim % self.blocks:
            raise ConfigError(f"blocks={self.blocks} must divide dim={self.dim}")
        for side in map_size(self.img_size, self.stride):
            if side & (side - 1):
                below = self.stride << (side.bit_length() - 1)
                raise ConfigError(
                    f"img_size={self.img_size} gives maps of side {side}, but the Haar transform needs a power of two; "
                    f"nearest valid: {below}, {2 * below}"
                )

    def build(self) -> "SWformer":
        return SWformer(self)

    def twin(self) -> Self:
        """The ANN twin: ReLU for neurons, and nothing between the one-dimensional wavelet transforms."""
        return self.but(neuron="relu", wavelet_neuron="identity", timesteps=1)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        imagenet = "block.0.attn.haar_weight" in shapes
        weight = shapes[f"block.0.{'attn' if imagenet else 'mixer'}.haar_weight"]
        dim, in_channels = shapes["patch_embed.proj_conv3.weight"][0], shapes["patch_embed.proj_conv.weight"][1]
        events = in_channels == 2 and not imagenet
        args.ignore("FL_blocks")
        threshold = 1.0
        hidden = shapes["block.0.mlp.fc1_conv.weight"][0]
        if imagenet and hidden == dim:
            raise CheckpointError("mlp_ratios=1 gives another MLP in the official code, which is not covered here")
        if imagenet:
            threshold = float(args.take("haar_vth", 1.0))
        return cls(
            img_size=args.image(default=128 if events else 256 if imagenet else 32),
            in_channels=in_channels,
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            depth=count_blocks(shapes, "block"),
            mlp_ratio=hidden / dim,
            blocks=weight[0],
            pools=args.take("pooling_stat", "1111") if imagenet else "1111" if events else "0011",
            order="sequential" if events else "parallel",
            head_neuron=imagenet,
            wavelet_neuron=_NEG_IF.but(v_threshold=threshold),
        )

    def official_rules(self) -> Rules:
        mixer, mixing = ("attn", "haar") if self.head_neuron else ("mixer", "haar_multiply")
        rules = [
            Rule("head.{p}", "head.{p}"),
            *patch_rules([*(f"units.{i}.unit" for i in range(3)), "last"], "position.unit"),
        ]
        rules.append(Rule(f"block.{{i}}.{mixer}.haar_weight", "blocks.{i}.attention.weight"))
        for official, ours in (
            ("haar_forward_bn", "forward_norm"),
            (f"{mixing}_bn", "weight_norm"),
            ("haar_inverse_bn", "inverse_norm"),
            ("conv1", "conv1"),
            ("conv2", "conv3"),
            ("conv1_bn", "conv1_norm"),
            ("conv2_bn", "conv3_norm"),
        ):
            rules.append(Rule(f"block.{{i}}.{mixer}.{official}.{{p}}", f"blocks.{{i}}.attention.{ours}.{{p}}"))
        for part in ("fc1", "fc2"):
            block = f"block.{{i}}.mlp.{part}"
            rules += conv_rules(f"{block}_conv", f"{block}_bn", f"blocks.{{i}}.mlp.{part}.unit")
        return Rules(rules)


class SWformer(SpikingModel):
    """Image → membrane stem → blocks of FATM and MLP → mean over pixels → [neuron] → linear head, per step."""

    def __init__(self, config: SWformerConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        self.stem = MembranePatchSplitting(config.in_channels, dim, pools=config.pooling, neuron=neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    FrequencyAwareTokenMixer(
                        dim, config.blocks, neuron=neuron, wavelet_neuron=config.wavelet_neuron, order=config.order
                    ),
                    ConvMLP(dim, round(dim * config.mlp_ratio), neuron=neuron),
                )
                for _ in range(config.depth)
            )
        )
        self.head_neuron = neuron.build(channels=dim) if config.head_neuron else nn.Identity()
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        # The ImageNet layout draws its convolutions like this, the others the head.
        for module in self.modules():
            if isinstance(module, nn.Conv2d if config.head_neuron else nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return [self.blocks(self.stem(x))]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))
