"""AutoST: Spikformers whose depth, widths, heads and ratios a training-free search chose layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_pools
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem_membrane import MembranePatchSplitting
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.plif import PLIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules


def _uniform(depth: int, dim: int, heads: int = 8, ratio: float = 4.0) -> dict[str, object]:
    return {"dim": dim, "heads": (heads,) * depth, "mlp_ratios": (ratio,) * depth}


@MODELS.register(
    "autost",
    variants={
        "autost_tiny": {"dim": 64, "heads": (4, 2), "mlp_ratios": (2.0, 3.0), "neuron": ModelConfig.neuron},
        "autost_1_192": _uniform(1, 192, heads=4, ratio=3.0),
        "autost_4_256": _uniform(4, 256),
        "autost_2_384": _uniform(2, 384),
        "autost_4_384": _uniform(4, 384),
        "autost_10_384": _uniform(10, 384, ratio=5.0),
        "autost_15_768": _uniform(15, 768, ratio=6.0),
    },
    source="Wang et al., 'AutoST: Training-free Neural Architecture Search for Spiking Transformers', ICASSP 2024, "
    "arXiv:2307.00293; AlexandreWANG915/AutoST",
)
@dataclass(frozen=True, kw_only=True)
class AutoSTConfig(ModelConfig):
    """AutoST's searched network: MS-SPS stem, blocks of SSA and MLP on membrane residuals, learned time constants.

    The networks that the paper's search found are not published; the named variants are uniform points and the
    extremes of its search spaces.
    """

    img_size: int | tuple[int, int] = 32
    """Height and width of the input in pixels; one number for a square."""
    num_classes: int = 10
    """Classes K of the readout."""
    neuron: NeuronConfig = PLIFConfig(surrogate=Sigmoid(alpha=4.0))
    """What fires, everywhere in the model."""
    dim: int = 384
    """Embedding width; divisible by 8 and by every number of heads."""
    heads: tuple[int, ...] = (8, 8, 8, 8)
    """Attention heads of each block; their number is the depth."""
    mlp_ratios: tuple[float, ...] = (4.0, 4.0, 4.0, 4.0)
    """Hidden width of the MLP over dim, for each block."""
    pools: str = "0011"
    """For each of the four stem units, whether it max-pools by 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.heads or len(self.heads) != len(self.mlp_ratios):
            raise ConfigError(
                f"heads={self.heads} and mlp_ratios={self.mlp_ratios} must have one value for every block each"
            )
        for heads in self.heads:
            check_heads(self.dim, heads)
        check_pools(self.dim, self.pools, self.img_size)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    def build(self) -> "AutoST":
        return AutoST(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        depth = count_blocks(shapes, "block")
        dim, in_channels = (
            shapes["patch_embed.rpe_conv.weight"][0],
            shapes["patch_embed.proj_conv.weight"][1],
        )
        heads = args.take("num_heads", (8,) * depth)
        hidden = [shapes[f"block.{i}.mlp.fc1_linear.weight"][0] for i in range(depth)]
        return cls(
            img_size=args.image(default=32),
            in_channels=in_channels,
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            heads=tuple(heads),
            mlp_ratios=tuple(h / dim for h in hidden),
        )

    def official_rules(self) -> Rules:
        rules = [
            Rule("head.{p}", "head.{p}"),
            Rule("block.{i}.attn.lif.{p}", "blocks.{i}.attention.neuron.{p}"),
            Rule("block.{i}.attn.attn_lif.{p}", "blocks.{i}.attention.operator.neuron.{p}"),
            *conv_rules("patch_embed.proj_conv3", "patch_embed.proj_bn3", "stem.last"),
            *conv_rules("patch_embed.rpe_conv", "patch_embed.rpe_bn", "stem.position"),
        ]
        for index, number in enumerate(("", "1", "2")):
            ours = f"stem.units.{index}"
            rules += conv_rules(f"patch_embed.proj_conv{number}", f"patch_embed.proj_bn{number}", f"{ours}.unit")
            rules.append(Rule(f"patch_embed.proj_lif{number}.{{p}}", f"{ours}.neuron.{{p}}"))
        for part in ("q", "k", "v"):
            official, ours = f"block.{{i}}.attn.{part}", f"blocks.{{i}}.attention.{part}"
            rules += linear_rules(f"{official}_linear", f"{official}_bn", f"{ours}.unit")
            rules.append(Rule(f"{official}_lif.{{p}}", f"{ours}.neuron.{{p}}"))
        rules += linear_rules("block.{i}.attn.proj_linear", "block.{i}.attn.proj_bn", "blocks.{i}.attention.proj")
        for part in ("fc1", "fc2"):
            official, ours = f"block.{{i}}.mlp.{part}", f"blocks.{{i}}.mlp.{part}"
            rules += linear_rules(f"{official}_linear", f"{official}_bn", f"{ours}.unit")
            rules.append(Rule(f"{official}_lif.{{p}}", f"{ours}.neuron.{{p}}"))
        return Rules(rules)


class AutoST(SpikingModel):
    """Image → MS-SPS (its positional branch sees the current) → blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: AutoSTConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        pools = tuple(digit == "1" for digit in config.pools)
        self.stem = MembranePatchSplitting(config.in_channels, dim, pools=pools, neuron=neuron, spiking_position=False)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    SpikingSelfAttention(dim, heads, neuron=neuron, qkv_bias=True, residual="membrane"),
                    SpikingMLP(dim, round(dim * ratio), neuron=neuron, residual="membrane"),
                )
                for heads, ratio in zip(config.heads, config.mlp_ratios, strict=True)
            )
        )
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        truncated_normal(self.blocks)
        truncated_normal(self.head)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))
