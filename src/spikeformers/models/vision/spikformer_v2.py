"""Spikformer V2: Spikformer's blocks behind a convolution stem."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_eighths, check_heads, check_stride, map_size
from spikeformers.layers.conv_stem import ConvStemStage
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, AttentiveConfig, SpikingModel


@MODELS.register(
    "spikformer_v2",
    variants={
        "spikformer_v2_tiny": {
            "img_size": 64,
            "num_classes": 10,
            "dim": 64,
            "depth": 1,
            "heads": 2,
            "mlp_ratio": 2.0,
            "stem_ratio": 2.0,
        },
        "spikformer_v2_8_384": {"dim": 384, "heads": 12},
        "spikformer_v2_8_512": {},
        "spikformer_v2_12_512": {"depth": 12},
        "spikformer_v2_16_512": {"depth": 16},
        "spikformer_v2_8_768": {"dim": 768, "heads": 12},
        "spikformer_v2_16_768": {"dim": 768, "heads": 12, "depth": 16},
    },
    source="Zhou et al., 'Spikformer V2: Join the High Accuracy Club on ImageNet with an SNN Ticket', arXiv:2401.02020",
)
@dataclass(frozen=True, kw_only=True)
class SpikformerV2Config(AttentiveConfig):
    """Spikformer V2: convolution stem (SCS), blocks of SSA and MLP with spikes added to spikes, head on the mean over tokens.

    Reconstruction: the official code was never released. The stem is fitted to the published parameter counts
    (29.11M and 51.55M, both exact to rounding); heads are those of Spikformer.
    """

    dim: int = 512
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 8
    """Number of transformer blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    stem_ratio: float = 4.0
    """Hidden width of the stem's residual branches over their width."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        check_eighths(self.dim)
        check_stride(self.img_size, 16, flat=False)

    def build(self) -> "SpikformerV2":
        return SpikformerV2(self)


class SpikformerV2(SpikingModel):
    """Image → four stem stages → blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: SpikformerV2Config) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        widths = [config.in_channels, dim // 8, dim // 4, dim // 2, dim]
        self.stem = nn.ModuleList(
            ConvStemStage(a, b, ratio=config.stem_ratio, neuron=neuron) for a, b in pairwise(widths)
        )
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    SpikingSelfAttention(
                        dim, config.heads, neuron=neuron, operator=config.attention, grid=map_size(config.img_size, 16)
                    ),
                    SpikingMLP(dim, round(dim * config.mlp_ratio), neuron=neuron),
                )
                for _ in range(config.depth)
            )
        )
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(widths[level + 1], 2 << level, f"stem.{level}") for level in range(3)]
        self.feature_info.append(FeatureInfo(dim, 16, "blocks"))
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        levels = []
        for stage in self.stem:
            x = stage(x)
            levels.append(x)
        return [*levels[:3], to_maps(self.blocks(to_tokens(x)), *x.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))
